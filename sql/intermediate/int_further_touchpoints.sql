-- int_further_touchpoints: the touchpoints of journeys once more for each further stage model, with the
-- stage it gives them. Journeys are the same for all models; only the order among equal times is each
-- model's own, the one that helps its funnel.
-- Grain:  one row per stage_model, source, event_id; none when the project has one stage model.
-- Reads:  int_touchpoint_rules (stage_model, source, event_id); int_journey_touchpoints (source, event_id);
--         seed_stage_rules (stage_model, rule_number); seed_stages (stage_model, stage).
-- Params: $stage_model: the project's own, whose touchpoints are int_journey_touchpoints.
with

with_stage as (

    select
        int_touchpoint_rules.stage_model,
        int_touchpoint_rules.source,
        int_touchpoint_rules.event_id,
        int_touchpoint_rules.occurred_us,
        int_touchpoint_rules.event_name,
        int_touchpoint_rules.channel,
        seed_stages.stage,
        seed_stages.stage_ordinal
    from int_touchpoint_rules
    left join seed_stage_rules
        on
            int_touchpoint_rules.stage_model = seed_stage_rules.stage_model
            and int_touchpoint_rules.rule_number = seed_stage_rules.rule_number
    left join seed_stages
        on
            seed_stage_rules.stage_model = seed_stages.stage_model
            and seed_stage_rules.stage = seed_stages.stage
    where int_touchpoint_rules.stage_model <> $stage_model

),

final as (

    select
        with_stage.stage_model,
        with_stage.source,
        with_stage.event_id,
        int_journey_touchpoints.journey_id,
        cast(row_number() over (
            partition by int_journey_touchpoints.journey_id, with_stage.stage_model
            order by
                with_stage.occurred_us asc nulls first,
                with_stage.stage_ordinal asc nulls first,
                with_stage.source asc nulls first,
                with_stage.event_id asc nulls first
        ) as bigint) as touchpoint_number,
        with_stage.occurred_us,
        with_stage.event_name,
        with_stage.channel,
        with_stage.stage,
        with_stage.stage_ordinal
    from with_stage
    inner join int_journey_touchpoints
        on
            with_stage.source = int_journey_touchpoints.source
            and with_stage.event_id = int_journey_touchpoints.event_id

)

select * from final

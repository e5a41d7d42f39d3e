-- int_touchpoints: touchpoints with the stage their rule gives and the local day they fell on.
-- The stage is that of the project's own stage model, the one that cuts journeys.
-- Grain:  one row per source, event_id; touchpoints of a rule that ignores are left out.
-- Reads:  int_touchpoint_rules (stage_model, source, event_id); seed_stage_rules (stage_model,
--         rule_number); seed_stages (stage_model, stage); seed_utc_offsets (one row per stretch of time
--         with one UTC offset).
-- Params: $stage_model: the project's own.
with

rules as (

    select
        seed_stage_rules.rule_number,
        seed_stage_rules.rule,
        seed_stage_rules.is_ignored,
        seed_stages.stage,
        seed_stages.stage_ordinal
    from seed_stage_rules
    left join seed_stages
        on
            seed_stage_rules.stage_model = seed_stages.stage_model
            and seed_stage_rules.stage = seed_stages.stage
    where seed_stage_rules.stage_model = $stage_model

),

final as (

    select
        int_touchpoint_rules.source,
        int_touchpoint_rules.event_id,
        int_touchpoint_rules.customer_id,
        int_touchpoint_rules.journey_ref,
        int_touchpoint_rules.occurred_us,
        cast(
            timestamp_micros(int_touchpoint_rules.occurred_us + seed_utc_offsets.offset_us) as date
        ) as occurred_date,
        int_touchpoint_rules.event_name,
        int_touchpoint_rules.channel,
        rules.rule,
        rules.stage,
        rules.stage_ordinal,
        int_touchpoint_rules.revenue
    from int_touchpoint_rules
    inner join seed_utc_offsets
        on
            int_touchpoint_rules.occurred_us >= seed_utc_offsets.from_us
            and int_touchpoint_rules.occurred_us < seed_utc_offsets.to_us
    left join rules
        on int_touchpoint_rules.rule_number = rules.rule_number
    where
        int_touchpoint_rules.stage_model = $stage_model
        and (rules.is_ignored is null or not rules.is_ignored)

)

select * from final

-- int_touchpoints: touchpoints with the stage their rule gives and the local day they fell on.
-- Grain:  one row per source, event_id; touchpoints of a rule that ignores are left out.
-- Reads:  stg_touchpoints; int_touchpoint_rules (source, event_id); seed_stage_rules (rule_number);
--         seed_stages (stage); seed_utc_offsets (one row per stretch of time with one UTC offset).
-- Params: none.
with

final as (

    select
        stg_touchpoints.source,
        stg_touchpoints.event_id,
        stg_touchpoints.customer_id,
        stg_touchpoints.occurred_us,
        cast(
            timestamp_micros(stg_touchpoints.occurred_us + seed_utc_offsets.offset_us) as date
        ) as occurred_date,
        stg_touchpoints.event_name,
        stg_touchpoints.channel,
        seed_stage_rules.rule,
        seed_stages.stage,
        seed_stages.stage_ordinal,
        stg_touchpoints.revenue
    from stg_touchpoints
    inner join int_touchpoint_rules
        on
            stg_touchpoints.source = int_touchpoint_rules.source
            and stg_touchpoints.event_id = int_touchpoint_rules.event_id
    inner join seed_utc_offsets
        on
            stg_touchpoints.occurred_us >= seed_utc_offsets.from_us
            and stg_touchpoints.occurred_us < seed_utc_offsets.to_us
    left join seed_stage_rules
        on int_touchpoint_rules.rule_number = seed_stage_rules.rule_number
    left join seed_stages
        on seed_stage_rules.stage = seed_stages.stage
    where seed_stage_rules.is_ignored is null or not seed_stage_rules.is_ignored

)

select * from final

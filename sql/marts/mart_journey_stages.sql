-- mart_journey_stages: each stage a journey reached, when, for how long, and what came of it.
-- Grain:  one row per stage_model, journey_id, funnel_kind, stage reached.
-- Reads:  int_journey_stages.
-- Params: none.
with

final as (

    select
        stage_model,
        journey_id,
        customer_id,
        entry_date,
        last_touchpoint_date,
        funnel_kind,
        stage,
        stage_ordinal,
        timestamp_micros(entered_us) as entered_at,
        timestamp_micros(left_us) as left_at,
        cast(left_us - entered_us as double) / cast(1000000 as double) as dwell_seconds,
        touchpoints,
        is_skipped,
        first_channel as first_touch_channel,
        entry_channel as stage_entry_channel,
        last_channel as last_touch_channel,
        outcome
    from int_journey_stages

)

select * from final

-- mart_journey_stages: each stage a journey reached, when, for how long, and what came of it.
-- Grain:  one row per stage_model, journey_id, funnel_kind, stage reached.
-- Reads:  int_journey_stages; int_journeys (journey_id).
-- Params: none.
with

final as (

    select
        int_journey_stages.stage_model,
        int_journey_stages.journey_id,
        int_journeys.customer_id,
        int_journeys.entry_date,
        int_journeys.last_touchpoint_date,
        int_journey_stages.funnel_kind,
        int_journey_stages.stage,
        int_journey_stages.stage_ordinal,
        timestamp_micros(int_journey_stages.entered_us) as entered_at,
        timestamp_micros(int_journey_stages.left_us) as left_at,
        cast(int_journey_stages.left_us - int_journey_stages.entered_us as double)
        / cast(1000000 as double) as dwell_seconds,
        int_journey_stages.touchpoints,
        int_journey_stages.is_skipped,
        int_journeys.first_channel as first_touch_channel,
        int_journey_stages.entry_channel as stage_entry_channel,
        int_journey_stages.last_channel as last_touch_channel,
        int_journey_stages.outcome
    from int_journey_stages
    inner join int_journeys
        on int_journey_stages.journey_id = int_journeys.journey_id

)

select * from final

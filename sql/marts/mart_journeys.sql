-- mart_journeys: one customer's touchpoints from an entry until they end, and what came of them.
-- Grain:  one row per journey_id.
-- Reads:  int_journeys; seed_stages (stage_model, stage).
-- Params: $stage_model: the project's own, the one that cuts journeys.
with

final as (

    select
        $stage_model as stage_model,
        int_journeys.journey_id,
        int_journeys.journey_ref,
        int_journeys.customer_id,
        int_journeys.journey_number,
        timestamp_micros(int_journeys.entered_us) as entered_at,
        int_journeys.entry_date,
        timestamp_micros(int_journeys.last_us) as last_touchpoint_at,
        int_journeys.last_touchpoint_date,
        int_journeys.touchpoints,
        int_journeys.sessions,
        int_journeys.first_channel,
        int_journeys.last_channel,
        seed_stages.stage as furthest_stage,
        int_journeys.state,
        timestamp_micros(int_journeys.converted_us) as converted_at,
        int_journeys.is_ended,
        int_journeys.revenue
    from int_journeys
    left join seed_stages
        on
            int_journeys.furthest_ordinal = seed_stages.stage_ordinal
            and seed_stages.stage_model = $stage_model

)

select * from final

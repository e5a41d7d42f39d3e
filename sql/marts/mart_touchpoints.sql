-- mart_touchpoints: every touchpoint kept, with its customer, session, journey, stage and rule.
-- Grain:  one row per source, event_id.
-- Reads:  int_journey_touchpoints; stg_touchpoints (source, event_id).
-- Params: none.
with

final as (

    select
        int_journey_touchpoints.source,
        int_journey_touchpoints.event_id,
        int_journey_touchpoints.customer_id,
        int_journey_touchpoints.journey_id,
        int_journey_touchpoints.touchpoint_number,
        int_journey_touchpoints.session_number,
        timestamp_micros(int_journey_touchpoints.occurred_us) as occurred_at,
        int_journey_touchpoints.occurred_date,
        int_journey_touchpoints.event_name,
        int_journey_touchpoints.channel,
        int_journey_touchpoints.stage,
        int_journey_touchpoints.rule,
        stg_touchpoints.session_ref,
        stg_touchpoints.utm_source,
        stg_touchpoints.utm_medium,
        stg_touchpoints.utm_campaign,
        stg_touchpoints.referrer_host,
        stg_touchpoints.page_path,
        stg_touchpoints.device,
        stg_touchpoints.country,
        stg_touchpoints.revenue,
        stg_touchpoints.currency,
        stg_touchpoints.score,
        stg_touchpoints.score_kind,
        stg_touchpoints.properties
    from int_journey_touchpoints
    inner join stg_touchpoints
        on
            int_journey_touchpoints.source = stg_touchpoints.source
            and int_journey_touchpoints.event_id = stg_touchpoints.event_id

)

select * from final

-- stg_events: every event once, as delivered, up to the end of the as-of day.
-- Grain:  one row per source, event_id.
-- Reads:  events (one row per event loaded, copies included); stg_copies (source, event_id).
-- Params: $as_of_us: end of the as-of day in the project's zone; an event at that instant is left out.
with

final as (

    select
        events.source,
        events.event_id,
        events.occurred_us,
        events.customer_ref,
        events.anonymous_ref,
        events.alias_ref,
        events.session_ref,
        events.event_name,
        events.channel,
        events.utm_source,
        events.utm_medium,
        events.utm_campaign,
        events.referrer_host,
        events.page_path,
        events.device,
        events.country,
        events.revenue,
        events.currency,
        events.score,
        events.score_kind,
        events.properties
    from events
    left join stg_copies
        on
            events.source = stg_copies.source
            and events.event_id = stg_copies.event_id
    where
        events.occurred_us < $as_of_us
        and stg_copies.source is null
    union all
    select
        source,
        event_id,
        occurred_us,
        customer_ref,
        anonymous_ref,
        alias_ref,
        session_ref,
        event_name,
        channel,
        utm_source,
        utm_medium,
        utm_campaign,
        referrer_host,
        page_path,
        device,
        country,
        revenue,
        currency,
        score,
        score_kind,
        properties
    from stg_copies
    where occurred_us < $as_of_us

)

select * from final

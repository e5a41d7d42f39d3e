-- stg_touchpoints: every event once, up to the end of the as-of day, with the customer it belongs to.
-- Grain:  one row per source, event_id.
-- Reads:  stg_events; int_aliased_ids (one row per known id that alias events name); int_anonymous_links
--         (one row per anonymous_ref, known_ref); int_anonymous_events (source, event_id).
-- Params: none.
with

-- an anonymous id with one known id needs no look at the order of its events
links as (

    select
        anonymous_ref,
        customer_id
    from int_anonymous_links
    where known_ids = 1

),

final as (

    select
        stg_events.source,
        stg_events.event_id,
        stg_events.occurred_us,
        stg_events.customer_ref,
        stg_events.anonymous_ref,
        stg_events.alias_ref,
        coalesce(
            int_aliased_ids.customer_id,
            stg_events.customer_ref,
            links.customer_id,
            int_anonymous_events.customer_id,
            -- the prefix keeps a cookie from being taken for a customer who happens to have that id
            'anonymous:' || stg_events.anonymous_ref
        ) as customer_id,
        stg_events.session_ref,
        stg_events.event_name,
        stg_events.channel,
        stg_events.utm_source,
        stg_events.utm_medium,
        stg_events.utm_campaign,
        stg_events.referrer_host,
        stg_events.page_path,
        stg_events.device,
        stg_events.country,
        stg_events.revenue,
        stg_events.currency,
        stg_events.score,
        stg_events.score_kind,
        stg_events.properties
    from stg_events
    left join int_aliased_ids
        on stg_events.customer_ref = int_aliased_ids.known_ref
    left join links
        on stg_events.anonymous_ref = links.anonymous_ref
    left join int_anonymous_events
        on
            stg_events.source = int_anonymous_events.source
            and stg_events.event_id = int_anonymous_events.event_id

)

select * from final

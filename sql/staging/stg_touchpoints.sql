-- stg_touchpoints: every event once, up to the end of the as-of day, with the customer it belongs to.
-- Grain:  one row per source, event_id.
-- Reads:  events (one row per event loaded, copies included).
-- Params: $as_of_us: end of the as-of day in the project's zone; an event at that instant is left out.
with

-- Of several copies the one loaded first stays. Copies of one load are told apart by their content,
-- never by their place in a file, so the order of files and rows changes nothing.
copies as (

    select
        source,
        event_id,
        occurred_us,
        customer_ref,
        anonymous_ref,
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
        properties,
        cast(row_number() over (
            partition by source, event_id
            order by
                received_us asc nulls first,
                occurred_us asc nulls first,
                event_name asc nulls first,
                customer_ref asc nulls first,
                anonymous_ref asc nulls first,
                channel asc nulls first,
                revenue asc nulls first,
                score asc nulls first,
                page_path asc nulls first,
                properties asc nulls first,
                session_ref asc nulls first,
                utm_campaign asc nulls first,
                utm_source asc nulls first,
                utm_medium asc nulls first,
                referrer_host asc nulls first,
                device asc nulls first,
                country asc nulls first,
                currency asc nulls first,
                score_kind asc nulls first
        ) as bigint) as copy_number
    from events

),

final as (

    select
        source,
        event_id,
        occurred_us,
        customer_ref,
        anonymous_ref,
        -- the prefix keeps a cookie from being taken for a customer who happens to have that id
        coalesce(customer_ref, 'anonymous:' || anonymous_ref) as customer_id,
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
    from copies
    where
        copy_number = 1
        and occurred_us < $as_of_us

)

select * from final

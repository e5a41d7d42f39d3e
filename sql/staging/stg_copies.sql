-- stg_copies: of each event that was loaded more than once, the copy that stays.
-- Grain:  one row per source, event_id; an event that was loaded once has none.
-- Reads:  events (one row per event loaded, copies included).
-- Params: none.
with

-- Few keys have copies, and only their rows pay for the sort below.
keys_with_copies as (

    select
        source,
        event_id
    from events
    group by source, event_id
    having count(*) > 1

),

-- Of several copies the one loaded first stays. Copies of one load are told apart by their content,
-- never by their place in a file, so the order of files and rows changes nothing.
numbered as (

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
        events.properties,
        cast(row_number() over (
            partition by events.source, events.event_id
            order by
                events.received_us asc nulls first,
                events.occurred_us asc nulls first,
                events.event_name asc nulls first,
                events.customer_ref asc nulls first,
                events.anonymous_ref asc nulls first,
                events.channel asc nulls first,
                events.revenue asc nulls first,
                events.score asc nulls first,
                events.page_path asc nulls first,
                events.properties asc nulls first,
                events.session_ref asc nulls first,
                events.utm_campaign asc nulls first,
                events.utm_source asc nulls first,
                events.utm_medium asc nulls first,
                events.referrer_host asc nulls first,
                events.device asc nulls first,
                events.country asc nulls first,
                events.currency asc nulls first,
                events.score_kind asc nulls first,
                events.alias_ref asc nulls first
        ) as bigint) as copy_number
    from events
    inner join keys_with_copies
        on
            events.source = keys_with_copies.source
            and events.event_id = keys_with_copies.event_id

),

final as (

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
    from numbered
    where copy_number = 1

)

select * from final

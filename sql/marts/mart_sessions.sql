-- mart_sessions: runs of a customer's touchpoints with no long gap between them, and how each began.
-- Grain:  one row per session_id, which is one customer_id, session_number.
-- Reads:  int_journey_touchpoints; stg_touchpoints (source, event_id).
-- Params: none.
with

journey_sessions as (

    select
        customer_id,
        session_number,
        journey_id,
        min(occurred_us) as started_us,
        max(occurred_us) as ended_us,
        count(*) as touchpoints,
        cast(sum(revenue) as decimal(18, 4)) as revenue
    from int_journey_touchpoints
    group by customer_id, session_number, journey_id

),

sessions as (

    select
        customer_id,
        session_number,
        min(started_us) as started_us,
        max(ended_us) as ended_us,
        cast(sum(touchpoints) as bigint) as touchpoints,
        count(*) as journeys,
        cast(sum(revenue) as decimal(18, 4)) as revenue
    from journey_sessions
    group by customer_id, session_number

),

-- only touchpoints at the session's first instant can be its first: few are numbered
beginnings as (

    select
        sessions.customer_id,
        sessions.session_number,
        sessions.started_us,
        sessions.ended_us,
        sessions.touchpoints,
        sessions.journeys,
        sessions.revenue,
        int_journey_touchpoints.source,
        int_journey_touchpoints.event_id,
        int_journey_touchpoints.journey_id,
        int_journey_touchpoints.occurred_date,
        int_journey_touchpoints.event_name,
        int_journey_touchpoints.channel,
        cast(row_number() over (
            partition by sessions.customer_id, sessions.session_number
            order by
                int_journey_touchpoints.stage_ordinal asc nulls first,
                int_journey_touchpoints.source asc nulls first,
                int_journey_touchpoints.event_id asc nulls first
        ) as bigint) as place
    from sessions
    inner join int_journey_touchpoints
        on
            sessions.customer_id = int_journey_touchpoints.customer_id
            and sessions.session_number = int_journey_touchpoints.session_number
            and sessions.started_us = int_journey_touchpoints.occurred_us

),

-- A session is named after its customer and first touchpoint, like a journey, and keeps its id from night to
-- night; the separator is spelled out where the customer's id holds it.
final as (

    select
        md5(
            'session|' || beginnings.source
            || '|' || replace(replace(beginnings.customer_id, '!', '!!'), '|', '!p')
            || '|' || beginnings.event_id
        ) as session_id,
        beginnings.customer_id,
        beginnings.session_number,
        timestamp_micros(beginnings.started_us) as started_at,
        beginnings.occurred_date as started_date,
        timestamp_micros(beginnings.ended_us) as ended_at,
        cast(beginnings.ended_us - beginnings.started_us as double)
        / cast(1000000 as double) as session_seconds,
        beginnings.touchpoints,
        beginnings.channel as first_channel,
        beginnings.event_name as first_event_name,
        stg_touchpoints.page_path as entry_page_path,
        stg_touchpoints.device as entry_device,
        beginnings.journey_id as first_journey_id,
        beginnings.journeys,
        beginnings.revenue
    from beginnings
    inner join stg_touchpoints
        on
            beginnings.source = stg_touchpoints.source
            and beginnings.event_id = stg_touchpoints.event_id
    where beginnings.place = 1

)

select * from final

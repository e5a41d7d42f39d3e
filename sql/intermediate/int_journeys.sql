-- int_journeys: each journey from its first to its last touchpoint, and its state on the as-of day.
-- A journey with a key of its own (journey.key) is the first touchpoint's customer's, and ends by silence
-- alone: others of the same customer may run beside it.
-- Grain:  one row per journey_id.
-- Reads:  int_journey_touchpoints (one row per touchpoint of a journey).
-- Params: $as_of_us: end of the as-of day; $inactivity_us: longest gap inside a journey;
--         $conversion_stage; $conversion_window_us: from the first touchpoint, the limit included.
with

-- customers with touchpoints that have a key of their own
customers_with_key as (

    select customer_id
    from int_journey_touchpoints
    where journey_ref is not null
    group by customer_id

),

sessions as (

    select
        int_journey_touchpoints.journey_id,
        int_journey_touchpoints.customer_id,
        int_journey_touchpoints.session_number
    from int_journey_touchpoints
    inner join customers_with_key
        on int_journey_touchpoints.customer_id = customers_with_key.customer_id
    group by
        int_journey_touchpoints.journey_id,
        int_journey_touchpoints.customer_id,
        int_journey_touchpoints.session_number

),

counted_sessions as (

    select
        journey_id,
        count(*) as sessions
    from sessions
    group by journey_id

),

totals as (

    select
        journey_id,
        min(occurred_us) as entered_us,
        max(occurred_us) as last_us,
        max(occurred_date) as last_touchpoint_date,
        count(*) as touchpoints,
        -- where no touchpoint has a key the sessions of a journey follow one another: none is to be counted
        max(session_number) - min(session_number) + 1 as sessions,
        max(stage_ordinal) as furthest_ordinal,
        cast(sum(revenue) as decimal(18, 4)) as revenue,
        min(case when stage = $conversion_stage then occurred_us end) as first_conversion_us,
        max_by(channel, touchpoint_number) as last_channel
    from int_journey_touchpoints
    group by journey_id

),

journeys as (

    select
        totals.journey_id,
        totals.entered_us,
        totals.last_us,
        totals.last_touchpoint_date,
        totals.touchpoints,
        coalesce(counted_sessions.sessions, totals.sessions) as sessions,
        totals.furthest_ordinal,
        totals.revenue,
        totals.first_conversion_us,
        totals.last_channel
    from totals
    left join counted_sessions
        on totals.journey_id = counted_sessions.journey_id

),

with_ends as (

    select
        journeys.journey_id,
        first_touchpoints.customer_id,
        first_touchpoints.journey_ref,
        first_touchpoints.occurred_date as entry_date,
        first_touchpoints.channel as first_channel,
        journeys.last_channel,
        journeys.entered_us,
        journeys.last_us,
        journeys.last_touchpoint_date,
        journeys.touchpoints,
        journeys.sessions,
        journeys.furthest_ordinal,
        journeys.revenue,
        case
            when journeys.first_conversion_us - journeys.entered_us <= $conversion_window_us
                then journeys.first_conversion_us
        end as converted_us,
        cast(row_number() over (
            partition by first_touchpoints.customer_id
            order by
                journeys.entered_us asc nulls first,
                first_touchpoints.stage_ordinal asc nulls first,
                first_touchpoints.source asc nulls first,
                first_touchpoints.event_id asc nulls first
        ) as bigint) as journey_number
    from journeys
    inner join int_journey_touchpoints as first_touchpoints
        on
            journeys.journey_id = first_touchpoints.journey_id
            and first_touchpoints.touchpoint_number = 1

),

-- the last journey without a key of each customer: all before it are over because it has begun
last_without_key as (

    select
        customer_id,
        max(journey_number) as journey_number
    from with_ends
    where journey_ref is null
    group by customer_id

),

with_end as (

    select
        with_ends.journey_id,
        with_ends.customer_id,
        with_ends.journey_ref,
        with_ends.journey_number,
        with_ends.entered_us,
        with_ends.entry_date,
        with_ends.last_us,
        with_ends.last_touchpoint_date,
        with_ends.touchpoints,
        with_ends.sessions,
        with_ends.furthest_ordinal,
        with_ends.first_channel,
        with_ends.last_channel,
        with_ends.revenue,
        with_ends.converted_us,
        -- over: another journey has begun, or the silence is already too long for this one to go on
        (with_ends.journey_ref is null and with_ends.journey_number < last_without_key.journey_number)
        or $as_of_us - with_ends.last_us > $inactivity_us as is_ended
    from with_ends
    left join last_without_key
        on with_ends.customer_id = last_without_key.customer_id

),

final as (

    select
        journey_id,
        customer_id,
        journey_ref,
        journey_number,
        entered_us,
        entry_date,
        last_us,
        last_touchpoint_date,
        touchpoints,
        sessions,
        furthest_ordinal,
        first_channel,
        last_channel,
        revenue,
        converted_us,
        is_ended,
        case
            when converted_us is not null then 'converted'
            when is_ended then 'lost'
            when $as_of_us - entered_us > $conversion_window_us then 'lost'
            else 'open'
        end as state
    from with_end

)

select * from final

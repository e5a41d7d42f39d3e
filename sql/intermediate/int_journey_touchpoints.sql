-- int_journey_touchpoints: every touchpoint with its session, its journey and its place in them.
-- Grain:  one row per source, event_id.
-- Reads:  int_touchpoints; int_journey_restarts (source, event_id).
-- Params: $session_timeout_us: longest gap inside a session; $inactivity_us: inside a journey.
with

with_gap as (

    -- Among equal times the earlier stage comes first, which is the order that helps the funnel.
    select
        int_touchpoints.source,
        int_touchpoints.event_id,
        int_touchpoints.customer_id,
        int_touchpoints.occurred_us,
        int_touchpoints.occurred_date,
        int_touchpoints.event_name,
        int_touchpoints.channel,
        int_touchpoints.rule,
        int_touchpoints.stage,
        int_touchpoints.stage_ordinal,
        int_touchpoints.revenue,
        int_journey_restarts.event_id is not null as is_restart,
        int_touchpoints.occurred_us - lag(int_touchpoints.occurred_us) over (
            partition by int_touchpoints.customer_id
            order by
                int_touchpoints.occurred_us asc nulls first,
                int_touchpoints.stage_ordinal asc nulls first,
                int_touchpoints.source asc nulls first,
                int_touchpoints.event_id asc nulls first
        ) as gap_us
    from int_touchpoints
    left join int_journey_restarts
        on
            int_touchpoints.source = int_journey_restarts.source
            and int_touchpoints.event_id = int_journey_restarts.event_id

),

with_starts as (

    select
        source,
        event_id,
        customer_id,
        occurred_us,
        occurred_date,
        event_name,
        channel,
        rule,
        stage,
        stage_ordinal,
        revenue,
        case when gap_us is null or gap_us > $session_timeout_us then 1 else 0 end as starts_session,
        case
            when gap_us is null or gap_us > $inactivity_us or is_restart then 1
            else 0
        end as starts_journey
    from with_gap

),

numbered as (

    select
        source,
        event_id,
        customer_id,
        occurred_us,
        occurred_date,
        event_name,
        channel,
        rule,
        stage,
        stage_ordinal,
        revenue,
        starts_journey,
        cast(sum(starts_session) over (
            partition by customer_id
            order by
                occurred_us asc nulls first,
                stage_ordinal asc nulls first,
                source asc nulls first,
                event_id asc nulls first
            rows between unbounded preceding and current row
        ) as bigint) as session_number,
        cast(sum(starts_journey) over (
            partition by customer_id
            order by
                occurred_us asc nulls first,
                stage_ordinal asc nulls first,
                source asc nulls first,
                event_id asc nulls first
            rows between unbounded preceding and current row
        ) as bigint) as journey_number
    from with_starts

),

-- A journey is named after its customer and first touchpoint, so that it keeps its id from night to
-- night however many others come and go. The separator is spelled out where the customer's id holds it,
-- so that no two pairs of ids read the same; a source's name never holds it.
journeys as (

    select
        customer_id,
        journey_number,
        md5(
            source || '|' || replace(replace(customer_id, '!', '!!'), '|', '!p') || '|' || event_id
        ) as journey_id
    from numbered
    where starts_journey = 1

),

final as (

    select
        numbered.source,
        numbered.event_id,
        numbered.customer_id,
        journeys.journey_id,
        numbered.journey_number,
        cast(row_number() over (
            partition by numbered.customer_id, numbered.journey_number
            order by
                numbered.occurred_us asc nulls first,
                numbered.stage_ordinal asc nulls first,
                numbered.source asc nulls first,
                numbered.event_id asc nulls first
        ) as bigint) as touchpoint_number,
        numbered.session_number,
        numbered.occurred_us,
        numbered.occurred_date,
        numbered.event_name,
        numbered.channel,
        numbered.rule,
        numbered.stage,
        numbered.stage_ordinal,
        numbered.revenue
    from numbered
    inner join journeys
        on
            numbered.customer_id = journeys.customer_id
            and numbered.journey_number = journeys.journey_number

)

select * from final

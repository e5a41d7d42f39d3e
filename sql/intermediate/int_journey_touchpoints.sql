-- int_journey_touchpoints: every touchpoint with its session, its journey and its place in them.
-- A touchpoint that carries the journey's own key (journey.key) belongs to the journey of that key, whoever
-- the customer and however long the silence; all others belong to journeys cut by silence and restart, as
-- if those with a key were not there. Sessions know no keys.
-- Grain:  one row per source, event_id.
-- Reads:  int_touchpoints; int_journey_restarts (source, event_id).
-- Params: $session_timeout_us: longest gap inside a session; $inactivity_us: inside a journey.
with

-- one separator in the id and not two: never the text of a journey without a key
with_key as (

    select
        source,
        event_id,
        md5('key|' || replace(replace(journey_ref, '!', '!!'), '|', '!p')) as journey_id,
        cast(row_number() over (
            partition by journey_ref
            order by
                occurred_us asc nulls first,
                stage_ordinal asc nulls first,
                source asc nulls first,
                event_id asc nulls first
        ) as bigint) as touchpoint_number
    from int_touchpoints
    where journey_ref is not null

),

with_previous as (

    -- Among equal times the earlier stage comes first, which is the order that helps the funnel.
    select
        int_touchpoints.source,
        int_touchpoints.event_id,
        int_touchpoints.customer_id,
        int_touchpoints.journey_ref,
        int_touchpoints.occurred_us,
        int_touchpoints.occurred_date,
        int_touchpoints.event_name,
        int_touchpoints.channel,
        int_touchpoints.rule,
        int_touchpoints.stage,
        int_touchpoints.stage_ordinal,
        int_touchpoints.revenue,
        int_journey_restarts.event_id is not null as is_restart,
        -- the windows after this one sort by two numbers and not by four columns
        cast(row_number() over (
            partition by int_touchpoints.customer_id
            order by
                int_touchpoints.occurred_us asc nulls first,
                int_touchpoints.stage_ordinal asc nulls first,
                int_touchpoints.source asc nulls first,
                int_touchpoints.event_id asc nulls first
        ) as bigint) as place,
        cast(sum(case when int_touchpoints.journey_ref is null then 1 else 0 end) over (
            partition by int_touchpoints.customer_id
            order by
                int_touchpoints.occurred_us asc nulls first,
                int_touchpoints.stage_ordinal asc nulls first,
                int_touchpoints.source asc nulls first,
                int_touchpoints.event_id asc nulls first
            rows between unbounded preceding and current row
        ) as bigint) as number_without_key,
        lag(int_touchpoints.occurred_us) over (
            partition by int_touchpoints.customer_id
            order by
                int_touchpoints.occurred_us asc nulls first,
                int_touchpoints.stage_ordinal asc nulls first,
                int_touchpoints.source asc nulls first,
                int_touchpoints.event_id asc nulls first
        ) as previous_us,
        max(case when int_touchpoints.journey_ref is null then int_touchpoints.occurred_us end) over (
            partition by int_touchpoints.customer_id
            order by
                int_touchpoints.occurred_us asc nulls first,
                int_touchpoints.stage_ordinal asc nulls first,
                int_touchpoints.source asc nulls first,
                int_touchpoints.event_id asc nulls first
            rows between unbounded preceding and 1 preceding
        ) as previous_without_key_us
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
        journey_ref,
        occurred_us,
        occurred_date,
        event_name,
        channel,
        rule,
        stage,
        stage_ordinal,
        revenue,
        place,
        number_without_key,
        case
            when previous_us is null or occurred_us - previous_us > $session_timeout_us then 1
            else 0
        end as starts_session,
        case
            when journey_ref is not null then 0
            when previous_without_key_us is null then 1
            when occurred_us - previous_without_key_us > $inactivity_us or is_restart then 1
            else 0
        end as starts_journey
    from with_previous

),

-- A journey is named after its customer and first touchpoint, so that it keeps its id from night to
-- night however many others come and go. The separator is spelled out where the customer's id holds it,
-- so that no two pairs of ids read the same; a source's name never holds it.
with_start_name as (

    select
        source,
        event_id,
        customer_id,
        journey_ref,
        occurred_us,
        occurred_date,
        event_name,
        channel,
        rule,
        stage,
        stage_ordinal,
        revenue,
        place,
        number_without_key,
        starts_session,
        case when starts_journey = 1 then number_without_key end as start_number,
        case
            when starts_journey = 1
                -- 19 digits for every place: the largest text is the latest start
                then cast(1000000000000000000 + place as string) || md5(
                    source || '|' || replace(replace(customer_id, '!', '!!'), '|', '!p') || '|' || event_id
                )
        end as start_name
    from with_starts

),

numbered as (

    select
        source,
        event_id,
        customer_id,
        journey_ref,
        occurred_us,
        occurred_date,
        event_name,
        channel,
        rule,
        stage,
        stage_ordinal,
        revenue,
        number_without_key,
        cast(sum(starts_session) over (
            partition by customer_id
            order by place asc nulls first
            rows between unbounded preceding and current row
        ) as bigint) as session_number,
        max(start_number) over (
            partition by customer_id
            order by place asc nulls first
            rows between unbounded preceding and current row
        ) as start_number,
        max(start_name) over (
            partition by customer_id
            order by place asc nulls first
            rows between unbounded preceding and current row
        ) as start_name
    from with_start_name

),

in_journeys as (

    select
        numbered.source,
        numbered.event_id,
        numbered.customer_id,
        coalesce(with_key.journey_id, substr(numbered.start_name, 20)) as journey_id,
        numbered.journey_ref,
        coalesce(
            with_key.touchpoint_number,
            numbered.number_without_key - numbered.start_number + 1
        ) as touchpoint_number,
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
    left join with_key
        on
            numbered.source = with_key.source
            and numbered.event_id = with_key.event_id

),

final as (

    select
        source,
        event_id,
        customer_id,
        journey_id,
        journey_ref,
        touchpoint_number,
        session_number,
        occurred_us,
        occurred_date,
        event_name,
        channel,
        rule,
        stage,
        stage_ordinal,
        revenue,
        -- null on the journey's last touchpoint
        lead(event_name) over (
            partition by journey_id
            order by touchpoint_number asc nulls first
        ) as next_event_name,
        lead(occurred_us) over (
            partition by journey_id
            order by touchpoint_number asc nulls first
        ) as next_us
    from in_journeys

)

select * from final

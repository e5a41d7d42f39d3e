-- mart_stage_transitions: what follows what in journeys, how often, and how soon.
-- stages: from a run of touchpoints in one stage to the next; a stage never follows itself.
-- events: from the event name of a touchpoint to that of the next, repeats kept.
-- Every journey with a name comes from `(start)` once and goes to `(exit)` once, or to `(open)` while it has
-- not ended; so what goes into a name comes out of it. That holds where a journey keeps its channel: the
-- roles are all and first_touch.
-- Grain:  one row per stage_model, path_kind, channel_role, channel, from_name, to_name; path_kind events has
--         the project's own model only.
-- Reads:  int_stage_visits (stage_model, journey_id, visit_number); int_journey_touchpoints (journey_id,
--         touchpoint_number); int_journeys (journey_id).
-- Params: $stage_model: the project's own.
with

with_next as (

    select
        stage_model,
        'stages' as path_kind,
        journey_id,
        stage as name,
        entered_us,
        next_stage as next_name,
        next_us
    from int_stage_visits
    union all
    select
        $stage_model as stage_model,
        'events' as path_kind,
        journey_id,
        event_name as name,
        occurred_us as entered_us,
        next_event_name as next_name,
        next_us
    from int_journey_touchpoints

),

starts as (

    select
        stage_model,
        'stages' as path_kind,
        journey_id,
        stage as name
    from int_stage_visits
    where visit_number = 1
    union all
    select
        $stage_model as stage_model,
        'events' as path_kind,
        journey_id,
        event_name as name
    from int_journey_touchpoints
    where touchpoint_number = 1

),

-- the parentheses keep the ends apart from an event of that name
moves as (

    select
        with_next.stage_model,
        with_next.path_kind,
        int_journeys.first_channel,
        with_next.name as from_name,
        case
            when with_next.next_name is not null then with_next.next_name
            when int_journeys.is_ended then '(exit)'
            else '(open)'
        end as to_name,
        with_next.next_us - with_next.entered_us as move_us
    from with_next
    inner join int_journeys
        on with_next.journey_id = int_journeys.journey_id
    union all
    select
        starts.stage_model,
        starts.path_kind,
        int_journeys.first_channel,
        '(start)' as from_name,
        starts.name as to_name,
        cast(null as bigint) as move_us
    from starts
    inner join int_journeys
        on starts.journey_id = int_journeys.journey_id

),

by_role as (

    select
        stage_model,
        path_kind,
        'all' as channel_role,
        'all' as channel,
        from_name,
        to_name,
        move_us
    from moves
    union all
    select
        stage_model,
        path_kind,
        'first_touch' as channel_role,
        first_channel as channel,
        from_name,
        to_name,
        move_us
    from moves

),

counts as (

    select
        stage_model,
        path_kind,
        channel_role,
        channel,
        from_name,
        to_name,
        count(*) as transitions,
        cast(percentile_disc(0.5) within group (order by move_us asc nulls first) as bigint) as median_us
    from by_role
    group by stage_model, path_kind, channel_role, channel, from_name, to_name

),

with_totals as (

    select
        stage_model,
        path_kind,
        channel_role,
        channel,
        from_name,
        to_name,
        transitions,
        median_us,
        cast(sum(transitions) over (
            partition by stage_model, path_kind, channel_role, channel, from_name
        ) as bigint) as transitions_out
    from counts

),

final as (

    select
        stage_model,
        path_kind,
        channel_role,
        channel,
        from_name,
        to_name,
        transitions,
        cast(transitions as double) / cast(transitions_out as double) as transitions_share,
        cast(median_us as double) / cast(1000000 as double) as median_seconds
    from with_totals

)

select * from final

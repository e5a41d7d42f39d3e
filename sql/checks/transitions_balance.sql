-- fail: a name that more transitions go into than come out of, or fewer; or journeys that do not start once.
with

-- a journey that has a stage goes into some name first, in every role
expected_starts as (

    select
        stage_model,
        'stages' as path_kind,
        count(distinct journey_id) as journeys
    from mart_journey_stages
    group by stage_model
    union all
    select
        stage_model,
        'events' as path_kind,
        count(*) as journeys
    from mart_journeys
    group by stage_model

),

channel_roles as (

    select 'all' as channel_role
    union all
    select 'first_touch' as channel_role

),

found_starts as (

    select
        stage_model,
        path_kind,
        channel_role,
        cast(sum(transitions) as bigint) as journeys
    from mart_stage_transitions
    where from_name = '(start)'
    group by stage_model, path_kind, channel_role

),

wrong_starts as (

    select
        expected_starts.stage_model,
        expected_starts.path_kind,
        channel_roles.channel_role,
        cast(null as string) as channel,
        '(start)' as name,
        expected_starts.journeys as transitions_in,
        coalesce(found_starts.journeys, 0) as transitions_out,
        'not every journey starts once' as reason
    from expected_starts
    cross join channel_roles
    left join found_starts
        on
            expected_starts.stage_model = found_starts.stage_model
            and expected_starts.path_kind = found_starts.path_kind
            and channel_roles.channel_role = found_starts.channel_role
    where expected_starts.journeys <> coalesce(found_starts.journeys, 0)

),

ins as (

    select
        stage_model,
        path_kind,
        channel_role,
        channel,
        to_name as name,
        cast(sum(transitions) as bigint) as transitions
    from mart_stage_transitions
    where to_name not in ('(exit)', '(open)')
    group by stage_model, path_kind, channel_role, channel, to_name

),

outs as (

    select
        stage_model,
        path_kind,
        channel_role,
        channel,
        from_name as name,
        cast(sum(transitions) as bigint) as transitions
    from mart_stage_transitions
    where from_name <> '(start)'
    group by stage_model, path_kind, channel_role, channel, from_name

),

unbalanced as (

    select
        coalesce(ins.stage_model, outs.stage_model) as stage_model,
        coalesce(ins.path_kind, outs.path_kind) as path_kind,
        coalesce(ins.channel_role, outs.channel_role) as channel_role,
        coalesce(ins.channel, outs.channel) as channel,
        coalesce(ins.name, outs.name) as name,
        coalesce(ins.transitions, 0) as transitions_in,
        coalesce(outs.transitions, 0) as transitions_out,
        'what goes in does not come out' as reason
    from ins
    full outer join outs
        on
            ins.stage_model = outs.stage_model
            and ins.path_kind = outs.path_kind
            and ins.channel_role = outs.channel_role
            and ins.channel = outs.channel
            and ins.name = outs.name
    where coalesce(ins.transitions, 0) <> coalesce(outs.transitions, 0)

),

final as (

    select
        stage_model,
        path_kind,
        channel_role,
        channel,
        name,
        transitions_in,
        transitions_out,
        reason
    from wrong_starts
    union all
    select
        stage_model,
        path_kind,
        channel_role,
        channel,
        name,
        transitions_in,
        transitions_out,
        reason
    from unbalanced

)

select * from final

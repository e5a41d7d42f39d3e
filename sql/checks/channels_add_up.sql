-- fail: a channel role whose channels do not sum to the total of the stage, on some entry day.
with

channel_roles as (

    select 'first_touch' as channel_role
    union all
    select 'stage_entry' as channel_role
    union all
    select 'last_touch' as channel_role

),

-- the total of every stage and day, once for each role that must sum to it
expected as (

    select
        mart_stage_funnel.entry_date,
        mart_stage_funnel.stage_model,
        mart_stage_funnel.funnel_kind,
        channel_roles.channel_role,
        mart_stage_funnel.stage,
        mart_stage_funnel.journeys_reached,
        mart_stage_funnel.journeys_continued,
        mart_stage_funnel.journeys_dropped,
        mart_stage_funnel.journeys_open
    from mart_stage_funnel
    cross join channel_roles
    where mart_stage_funnel.channel_role = 'all'

),

found as (

    select
        entry_date,
        stage_model,
        funnel_kind,
        channel_role,
        stage,
        cast(sum(journeys_reached) as bigint) as journeys_reached,
        cast(sum(journeys_continued) as bigint) as journeys_continued,
        cast(sum(journeys_dropped) as bigint) as journeys_dropped,
        cast(sum(journeys_open) as bigint) as journeys_open
    from mart_stage_funnel
    where channel_role <> 'all'
    group by entry_date, stage_model, funnel_kind, channel_role, stage

),

final as (

    select
        coalesce(expected.entry_date, found.entry_date) as entry_date,
        coalesce(expected.stage_model, found.stage_model) as stage_model,
        coalesce(expected.funnel_kind, found.funnel_kind) as funnel_kind,
        coalesce(expected.channel_role, found.channel_role) as channel_role,
        coalesce(expected.stage, found.stage) as stage,
        coalesce(found.journeys_reached, 0) as journeys_reached,
        coalesce(expected.journeys_reached, 0) as journeys_in_total,
        'the channels do not add up to the total' as reason
    from expected
    full outer join found
        on
            expected.entry_date = found.entry_date
            and expected.stage_model = found.stage_model
            and expected.funnel_kind = found.funnel_kind
            and expected.channel_role = found.channel_role
            and expected.stage = found.stage
    where
        coalesce(expected.journeys_reached, 0) <> coalesce(found.journeys_reached, 0)
        or coalesce(expected.journeys_continued, 0) <> coalesce(found.journeys_continued, 0)
        or coalesce(expected.journeys_dropped, 0) <> coalesce(found.journeys_dropped, 0)
        or coalesce(expected.journeys_open, 0) <> coalesce(found.journeys_open, 0)

)

select * from final

-- fail: a channel role whose channels do not sum to the total of the stage, on some entry day.
with

totals as (

    select
        entry_date,
        funnel_kind,
        stage,
        journeys_reached,
        journeys_dropped
    from mart_stage_funnel
    where channel_role = 'all'

),

by_role as (

    select
        entry_date,
        funnel_kind,
        channel_role,
        stage,
        cast(sum(journeys_reached) as bigint) as journeys_reached,
        cast(sum(journeys_dropped) as bigint) as journeys_dropped
    from mart_stage_funnel
    where channel_role <> 'all'
    group by entry_date, funnel_kind, channel_role, stage

),

final as (

    select
        by_role.entry_date,
        by_role.funnel_kind,
        by_role.channel_role,
        by_role.stage,
        by_role.journeys_reached,
        totals.journeys_reached as journeys_in_total,
        'the channels do not add up to the total' as reason
    from by_role
    left join totals
        on
            by_role.entry_date = totals.entry_date
            and by_role.funnel_kind = totals.funnel_kind
            and by_role.stage = totals.stage
    where
        totals.journeys_reached is null
        or by_role.journeys_reached <> totals.journeys_reached
        or by_role.journeys_dropped <> totals.journeys_dropped

)

select * from final

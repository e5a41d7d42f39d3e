-- fail: journeys with a stage that the progressive funnel does not hold at its first stage, in some role.
with

expected as (

    select count(*) as journeys
    from mart_journeys
    where furthest_stage is not null

),

channel_roles as (

    select 'all' as channel_role
    union all
    select 'first_touch' as channel_role
    union all
    select 'stage_entry' as channel_role
    union all
    select 'last_touch' as channel_role

),

first_stages as (

    select
        channel_role,
        min(stage_ordinal) as stage_ordinal
    from mart_stage_dropoff
    where funnel_kind = 'progressive'
    group by channel_role

),

found as (

    select
        mart_stage_dropoff.channel_role,
        cast(sum(mart_stage_dropoff.journeys_reached) as bigint) as journeys
    from mart_stage_dropoff
    inner join first_stages
        on
            mart_stage_dropoff.channel_role = first_stages.channel_role
            and mart_stage_dropoff.stage_ordinal = first_stages.stage_ordinal
    where mart_stage_dropoff.funnel_kind = 'progressive'
    group by mart_stage_dropoff.channel_role

),

final as (

    select
        channel_roles.channel_role,
        coalesce(found.journeys, 0) as journeys_found,
        expected.journeys as journeys_expected,
        'the funnel does not hold every journey' as reason
    from channel_roles
    cross join expected
    left join found
        on channel_roles.channel_role = found.channel_role
    where coalesce(found.journeys, 0) <> expected.journeys

)

select * from final

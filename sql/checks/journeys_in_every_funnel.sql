-- fail: journeys with a stage that the progressive funnel does not hold at its first stage, in some role.
with

expected as (

    select
        stage_model,
        count(distinct journey_id) as journeys
    from mart_journey_stages
    group by stage_model

),

-- the journeys know of the stage model that cuts them, and must know of no other number
expected_by_journeys as (

    select
        stage_model,
        count(*) as journeys
    from mart_journeys
    where furthest_stage is not null
    group by stage_model

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
        stage_model,
        channel_role,
        min(stage_ordinal) as stage_ordinal
    from mart_stage_dropoff
    where funnel_kind = 'progressive'
    group by stage_model, channel_role

),

found as (

    select
        mart_stage_dropoff.stage_model,
        mart_stage_dropoff.channel_role,
        cast(sum(mart_stage_dropoff.journeys_reached) as bigint) as journeys
    from mart_stage_dropoff
    inner join first_stages
        on
            mart_stage_dropoff.stage_model = first_stages.stage_model
            and mart_stage_dropoff.channel_role = first_stages.channel_role
            and mart_stage_dropoff.stage_ordinal = first_stages.stage_ordinal
    where mart_stage_dropoff.funnel_kind = 'progressive'
    group by mart_stage_dropoff.stage_model, mart_stage_dropoff.channel_role

),

all_expected as (

    select
        stage_model,
        journeys
    from expected
    union
    select
        stage_model,
        journeys
    from expected_by_journeys

),

final as (

    select
        all_expected.stage_model,
        channel_roles.channel_role,
        coalesce(found.journeys, 0) as journeys_found,
        all_expected.journeys as journeys_expected,
        'the funnel does not hold every journey' as reason
    from channel_roles
    cross join all_expected
    left join found
        on
            all_expected.stage_model = found.stage_model
            and channel_roles.channel_role = found.channel_role
    where coalesce(found.journeys, 0) <> all_expected.journeys

)

select * from final

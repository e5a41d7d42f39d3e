-- fail: journeys with a stage that some funnel does not hold, or that it holds at no first stage.
with

expected as (

    select count(*) as journeys
    from mart_journeys
    where furthest_stage is not null

),

first_stages as (

    select
        funnel_kind,
        channel_role,
        min(stage_ordinal) as stage_ordinal
    from mart_stage_dropoff
    where funnel_kind = 'progressive'
    group by funnel_kind, channel_role

),

found as (

    select
        mart_stage_dropoff.channel_role,
        cast(sum(mart_stage_dropoff.journeys_reached) as bigint) as journeys
    from mart_stage_dropoff
    inner join first_stages
        on
            mart_stage_dropoff.funnel_kind = first_stages.funnel_kind
            and mart_stage_dropoff.channel_role = first_stages.channel_role
            and mart_stage_dropoff.stage_ordinal = first_stages.stage_ordinal
    group by mart_stage_dropoff.channel_role

),

final as (

    select
        found.channel_role,
        found.journeys as journeys_found,
        expected.journeys as journeys_expected,
        'the funnel does not hold every journey' as reason
    from found
    cross join expected
    where found.journeys <> expected.journeys

)

select * from final

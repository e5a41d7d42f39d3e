-- fail: journeys dropped at a stage whose last touchpoints are not in mart_exit_points, or are there twice.
with

found as (

    select
        stage_model,
        funnel_kind,
        channel_role,
        channel,
        stage,
        cast(sum(journeys_dropped) as bigint) as journeys_dropped
    from mart_exit_points
    group by stage_model, funnel_kind, channel_role, channel, stage

),

final as (

    select
        coalesce(mart_stage_dropoff.stage_model, found.stage_model) as stage_model,
        coalesce(mart_stage_dropoff.funnel_kind, found.funnel_kind) as funnel_kind,
        coalesce(mart_stage_dropoff.channel_role, found.channel_role) as channel_role,
        coalesce(mart_stage_dropoff.channel, found.channel) as channel,
        coalesce(mart_stage_dropoff.stage, found.stage) as stage,
        coalesce(found.journeys_dropped, 0) as journeys_found,
        coalesce(mart_stage_dropoff.journeys_dropped, 0) as journeys_dropped,
        'the exit points do not add up to the journeys dropped' as reason
    from mart_stage_dropoff
    full outer join found
        on
            mart_stage_dropoff.stage_model = found.stage_model
            and mart_stage_dropoff.funnel_kind = found.funnel_kind
            and mart_stage_dropoff.channel_role = found.channel_role
            and mart_stage_dropoff.channel = found.channel
            and mart_stage_dropoff.stage = found.stage
    where coalesce(found.journeys_dropped, 0) <> coalesce(mart_stage_dropoff.journeys_dropped, 0)

)

select * from final

-- fail: a stage of the progressive funnel that more journeys reached than the stage before it.
with

with_previous as (

    select
        stage_model,
        channel_role,
        channel,
        stage,
        journeys_reached,
        lag(journeys_reached) over (
            partition by stage_model, channel_role, channel
            order by stage_ordinal asc nulls first
        ) as journeys_before
    from mart_stage_dropoff
    where
        funnel_kind = 'progressive'
        and channel_role in ('all', 'first_touch')

),

final as (

    select
        stage_model,
        channel_role,
        channel,
        stage,
        journeys_reached,
        journeys_before,
        'more journeys than the stage before' as reason
    from with_previous
    where journeys_reached > journeys_before

)

select * from final

-- fail: journeys at a stage that are neither continued, dropped nor open, or more than one of them.
with

final as (

    select
        stage_model,
        funnel_kind,
        channel_role,
        channel,
        stage,
        journeys_reached,
        journeys_continued + journeys_dropped + journeys_open as journeys_in_parts,
        'the parts do not add up to the journeys that reached the stage' as reason
    from mart_stage_dropoff
    where journeys_reached <> journeys_continued + journeys_dropped + journeys_open

)

select * from final

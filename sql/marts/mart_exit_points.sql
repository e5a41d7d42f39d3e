-- mart_exit_points: the last touchpoint of the journeys that dropped off in a stage.
-- Journeys are those of mart_stage_dropoff, in its kinds of funnel and channel roles; there they sum to
-- journeys_dropped.
-- Grain:  one row per stage_model, funnel_kind, channel_role, channel, stage, event_name, page_path.
-- Reads:  int_journey_stages (stage_model, journey_id, funnel_kind, stage); int_journeys (journey_id);
--         int_journey_touchpoints (journey_id, touchpoint_number); int_further_touchpoints (stage_model,
--         journey_id, touchpoint_number); stg_touchpoints (source, event_id).
-- Params: $stage_model: the project's own.
with

dropped as (

    select
        stage_model,
        journey_id,
        funnel_kind,
        stage,
        stage_ordinal,
        first_channel,
        entry_channel,
        last_channel
    from int_journey_stages
    where outcome = 'dropped'

),

ended as (

    select
        journey_id,
        touchpoints
    from int_journeys
    where is_ended

),

-- which touchpoint is the last one among equal times depends on the stage model
last_touchpoints as (

    select
        $stage_model as stage_model,
        int_journey_touchpoints.journey_id,
        int_journey_touchpoints.source,
        int_journey_touchpoints.event_id
    from int_journey_touchpoints
    inner join ended
        on
            int_journey_touchpoints.journey_id = ended.journey_id
            and int_journey_touchpoints.touchpoint_number = ended.touchpoints
    union all
    select
        int_further_touchpoints.stage_model,
        int_further_touchpoints.journey_id,
        int_further_touchpoints.source,
        int_further_touchpoints.event_id
    from int_further_touchpoints
    inner join ended
        on
            int_further_touchpoints.journey_id = ended.journey_id
            and int_further_touchpoints.touchpoint_number = ended.touchpoints

),

with_page as (

    select
        last_touchpoints.stage_model,
        last_touchpoints.journey_id,
        stg_touchpoints.event_name,
        coalesce(stg_touchpoints.page_path, '(none)') as page_path
    from last_touchpoints
    inner join stg_touchpoints
        on
            last_touchpoints.source = stg_touchpoints.source
            and last_touchpoints.event_id = stg_touchpoints.event_id

),

-- the channels of a role share out the journeys, so every role is summed from these few rows
exits as (

    select
        dropped.stage_model,
        dropped.funnel_kind,
        dropped.stage,
        dropped.stage_ordinal,
        dropped.first_channel,
        dropped.entry_channel,
        dropped.last_channel,
        with_page.event_name,
        with_page.page_path,
        count(*) as journeys_dropped
    from dropped
    inner join with_page
        on
            dropped.stage_model = with_page.stage_model
            and dropped.journey_id = with_page.journey_id
    group by
        dropped.stage_model, dropped.funnel_kind, dropped.stage, dropped.stage_ordinal,
        dropped.first_channel, dropped.entry_channel, dropped.last_channel,
        with_page.event_name, with_page.page_path

),

by_role as (

    select
        stage_model,
        funnel_kind,
        'all' as channel_role,
        'all' as channel,
        stage,
        stage_ordinal,
        event_name,
        page_path,
        journeys_dropped
    from exits
    union all
    select
        stage_model,
        funnel_kind,
        'first_touch' as channel_role,
        first_channel as channel,
        stage,
        stage_ordinal,
        event_name,
        page_path,
        journeys_dropped
    from exits
    union all
    select
        stage_model,
        funnel_kind,
        'stage_entry' as channel_role,
        entry_channel as channel,
        stage,
        stage_ordinal,
        event_name,
        page_path,
        journeys_dropped
    from exits
    union all
    select
        stage_model,
        funnel_kind,
        'last_touch' as channel_role,
        last_channel as channel,
        stage,
        stage_ordinal,
        event_name,
        page_path,
        journeys_dropped
    from exits

),

counts as (

    select
        stage_model,
        funnel_kind,
        channel_role,
        channel,
        stage,
        stage_ordinal,
        event_name,
        page_path,
        cast(sum(journeys_dropped) as bigint) as journeys_dropped
    from by_role
    group by stage_model, funnel_kind, channel_role, channel, stage, stage_ordinal, event_name, page_path

),

with_totals as (

    select
        stage_model,
        funnel_kind,
        channel_role,
        channel,
        stage,
        stage_ordinal,
        event_name,
        page_path,
        journeys_dropped,
        cast(sum(journeys_dropped) over (
            partition by stage_model, funnel_kind, channel_role, channel, stage
        ) as bigint) as journeys_dropped_in_all
    from counts

),

final as (

    select
        stage_model,
        funnel_kind,
        channel_role,
        channel,
        stage,
        stage_ordinal,
        event_name,
        page_path,
        journeys_dropped,
        cast(journeys_dropped as double) / cast(journeys_dropped_in_all as double) as journeys_share
    from with_totals

)

select * from final

-- mart_exit_points: the last touchpoint of the journeys that dropped off in a stage.
-- Journeys are those of mart_stage_dropoff, in its kinds of funnel and channel roles; there they sum to
-- journeys_dropped.
-- Grain:  one row per stage_model, funnel_kind, channel_role, channel, stage, event_name, page_path.
-- Reads:  int_journey_stages (stage_model, journey_id, funnel_kind, stage); int_journey_exits (stage_model,
--         journey_id).
-- Params: none.
with

-- the channels of a role share out the journeys, so every role is summed from these few rows
exits as (

    select
        int_journey_stages.stage_model,
        int_journey_stages.funnel_kind,
        int_journey_stages.stage,
        int_journey_stages.stage_ordinal,
        int_journey_stages.first_channel,
        int_journey_stages.entry_channel,
        int_journey_stages.last_channel,
        int_journey_exits.event_name,
        int_journey_exits.page_path,
        count(*) as journeys_dropped
    from int_journey_stages
    inner join int_journey_exits
        on
            int_journey_stages.stage_model = int_journey_exits.stage_model
            and int_journey_stages.journey_id = int_journey_exits.journey_id
    where int_journey_stages.outcome = 'dropped'
    group by
        int_journey_stages.stage_model, int_journey_stages.funnel_kind, int_journey_stages.stage,
        int_journey_stages.stage_ordinal, int_journey_stages.first_channel,
        int_journey_stages.entry_channel, int_journey_stages.last_channel,
        int_journey_exits.event_name, int_journey_exits.page_path

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

-- mart_stage_funnel: how many journeys reached each stage, by the day they began and by channel.
-- In every channel role a journey has one channel at a stage, so channels sum to the row of role `all`.
-- Grain:  one row per entry_date, stage_model, funnel_kind, channel_role, channel, stage; a stage that
--         nobody reached on a day through a channel seen that day is kept as 0.
-- Reads:  int_journey_stages (stage_model, journey_id, funnel_kind, stage); int_journeys (journey_id);
--         int_funnel_stages (stage_model, funnel_kind, stage).
-- Params: none.
with

-- the channels of a role share out the journeys of a day, so every role is summed from these few rows
by_channels as (

    select
        entry_date,
        stage_model,
        funnel_kind,
        first_channel,
        entry_channel,
        last_channel,
        stage,
        count(*) as journeys_reached,
        cast(sum(case when outcome = 'continued' then 1 else 0 end) as bigint) as journeys_continued,
        cast(sum(case when outcome = 'dropped' then 1 else 0 end) as bigint) as journeys_dropped,
        cast(sum(case when outcome = 'open' then 1 else 0 end) as bigint) as journeys_open
    from int_journey_stages
    group by entry_date, stage_model, funnel_kind, first_channel, entry_channel, last_channel, stage

),

by_role as (

    select
        entry_date,
        stage_model,
        funnel_kind,
        'all' as channel_role,
        'all' as channel,
        stage,
        journeys_reached,
        journeys_continued,
        journeys_dropped,
        journeys_open
    from by_channels
    union all
    select
        entry_date,
        stage_model,
        funnel_kind,
        'first_touch' as channel_role,
        first_channel as channel,
        stage,
        journeys_reached,
        journeys_continued,
        journeys_dropped,
        journeys_open
    from by_channels
    union all
    select
        entry_date,
        stage_model,
        funnel_kind,
        'stage_entry' as channel_role,
        entry_channel as channel,
        stage,
        journeys_reached,
        journeys_continued,
        journeys_dropped,
        journeys_open
    from by_channels
    union all
    select
        entry_date,
        stage_model,
        funnel_kind,
        'last_touch' as channel_role,
        last_channel as channel,
        stage,
        journeys_reached,
        journeys_continued,
        journeys_dropped,
        journeys_open
    from by_channels

),

counts as (

    select
        entry_date,
        stage_model,
        funnel_kind,
        channel_role,
        channel,
        stage,
        cast(sum(journeys_reached) as bigint) as journeys_reached,
        cast(sum(journeys_continued) as bigint) as journeys_continued,
        cast(sum(journeys_dropped) as bigint) as journeys_dropped,
        cast(sum(journeys_open) as bigint) as journeys_open
    from by_role
    group by entry_date, stage_model, funnel_kind, channel_role, channel, stage

),

-- a journey that began on the day through the channel counts as entered, whatever stage it reached;
-- in the other roles a journey changes its channel from stage to stage, so nothing is entered
entries as (

    select
        entry_date,
        'all' as channel_role,
        'all' as channel,
        count(*) as journeys_entered
    from int_journeys
    group by entry_date
    union all
    select
        entry_date,
        'first_touch' as channel_role,
        first_channel as channel,
        count(*) as journeys_entered
    from int_journeys
    group by entry_date, first_channel

),

-- journeys that reached no stage have entered every funnel all the same
funnels as (

    select
        stage_model,
        funnel_kind
    from int_funnel_stages
    group by stage_model, funnel_kind

),

-- where somebody entered or reached a stage
cells as (

    select
        entry_date,
        stage_model,
        funnel_kind,
        channel_role,
        channel
    from counts
    union
    select
        entries.entry_date,
        funnels.stage_model,
        funnels.funnel_kind,
        entries.channel_role,
        entries.channel
    from entries
    cross join funnels

),

final as (

    select
        cells.entry_date,
        cells.stage_model,
        cells.funnel_kind,
        cells.channel_role,
        cells.channel,
        int_funnel_stages.stage,
        int_funnel_stages.stage_ordinal,
        entries.journeys_entered,
        coalesce(counts.journeys_reached, 0) as journeys_reached,
        coalesce(counts.journeys_continued, 0) as journeys_continued,
        coalesce(counts.journeys_dropped, 0) as journeys_dropped,
        coalesce(counts.journeys_open, 0) as journeys_open
    from cells
    inner join int_funnel_stages
        on
            cells.stage_model = int_funnel_stages.stage_model
            and cells.funnel_kind = int_funnel_stages.funnel_kind
    left join counts
        on
            cells.entry_date = counts.entry_date
            and cells.stage_model = counts.stage_model
            and cells.funnel_kind = counts.funnel_kind
            and cells.channel_role = counts.channel_role
            and cells.channel = counts.channel
            and int_funnel_stages.stage = counts.stage
    left join entries
        on
            cells.entry_date = entries.entry_date
            and cells.channel_role = entries.channel_role
            and cells.channel = entries.channel

)

select * from final

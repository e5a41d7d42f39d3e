-- int_stage_days: of the journeys that reached a stage on a day, how many went on within its horizon.
-- A journey counts once its horizon has passed, so that what a day shows never changes by waiting.
-- Grain:  one row per stage_model, funnel_kind, channel_role, channel, stage, entered_date.
-- Reads:  int_journey_stages (stage_model, journey_id, funnel_kind, stage); int_journeys (journey_id);
--         int_stage_horizons (stage_model, funnel_kind, stage); seed_utc_offsets (one row per stretch of time
--         with one UTC offset).
-- Params: $trend_from_us: since when; $as_of_us: end of the as-of day.
with

watched as (

    select
        int_journey_stages.stage_model,
        int_journey_stages.funnel_kind,
        int_journey_stages.journey_id,
        int_journey_stages.entry_channel,
        int_journey_stages.stage,
        int_journey_stages.stage_ordinal,
        int_stage_horizons.horizon_us,
        cast(
            timestamp_micros(int_journey_stages.entered_us + seed_utc_offsets.offset_us) as date
        ) as entered_date,
        case
            when int_journey_stages.left_us - int_journey_stages.entered_us <= int_stage_horizons.horizon_us
                then 1
            else 0
        end as is_continued
    from int_journey_stages
    inner join int_stage_horizons
        on
            int_journey_stages.stage_model = int_stage_horizons.stage_model
            and int_journey_stages.funnel_kind = int_stage_horizons.funnel_kind
            and int_journey_stages.stage = int_stage_horizons.stage
    inner join seed_utc_offsets
        on
            int_journey_stages.entered_us >= seed_utc_offsets.from_us
            and int_journey_stages.entered_us < seed_utc_offsets.to_us
    where
        int_journey_stages.entered_us >= $trend_from_us
        and int_journey_stages.entered_us + int_stage_horizons.horizon_us <= $as_of_us

),

with_journey as (

    select
        watched.stage_model,
        watched.funnel_kind,
        watched.stage,
        watched.stage_ordinal,
        watched.horizon_us,
        watched.entered_date,
        watched.is_continued,
        watched.entry_channel,
        int_journeys.first_channel,
        case when watched.is_continued = 1 then int_journeys.revenue end as revenue_continued
    from watched
    inner join int_journeys
        on watched.journey_id = int_journeys.journey_id

),

-- the channels of a role share out the journeys of a day, so the total is their sum
by_channels as (

    select
        stage_model,
        funnel_kind,
        stage,
        stage_ordinal,
        horizon_us,
        entered_date,
        first_channel,
        entry_channel,
        count(*) as journeys_reached,
        cast(sum(is_continued) as bigint) as journeys_continued,
        cast(sum(revenue_continued) as decimal(18, 4)) as revenue_continued
    from with_journey
    group by
        stage_model, funnel_kind, stage, stage_ordinal, horizon_us, entered_date, first_channel, entry_channel

),

by_role as (

    select
        stage_model,
        funnel_kind,
        'all' as channel_role,
        'all' as channel,
        stage,
        stage_ordinal,
        horizon_us,
        entered_date,
        journeys_reached,
        journeys_continued,
        revenue_continued
    from by_channels
    union all
    select
        stage_model,
        funnel_kind,
        'first_touch' as channel_role,
        first_channel as channel,
        stage,
        stage_ordinal,
        horizon_us,
        entered_date,
        journeys_reached,
        journeys_continued,
        revenue_continued
    from by_channels
    union all
    select
        stage_model,
        funnel_kind,
        'stage_entry' as channel_role,
        entry_channel as channel,
        stage,
        stage_ordinal,
        horizon_us,
        entered_date,
        journeys_reached,
        journeys_continued,
        revenue_continued
    from by_channels

),

final as (

    select
        stage_model,
        funnel_kind,
        channel_role,
        channel,
        stage,
        stage_ordinal,
        entered_date,
        horizon_us,
        cast(sum(journeys_reached) as bigint) as journeys_reached,
        cast(sum(journeys_continued) as bigint) as journeys_continued,
        cast(sum(revenue_continued) as decimal(18, 4)) as revenue_continued
    from by_role
    group by
        stage_model, funnel_kind, channel_role, channel, stage, stage_ordinal, entered_date, horizon_us

)

select * from final

-- int_stage_entries: the touchpoints that lately entered a stage, with what may tell who did not go on.
-- Of the touched funnel, whose stages are entered by a touchpoint of their own. Every table is cut to the
-- days that count before it is joined: they are few of a long history.
-- Grain:  one row per stage_model, stage, journey_id.
-- Reads:  int_stage_visits (stage_model, journey_id, visit_number); int_journey_stages (stage_model,
--         journey_id, funnel_kind, stage); int_stage_horizons (stage_model, funnel_kind, stage);
--         int_journey_touchpoints (journey_id, touchpoint_number);
--         int_further_touchpoints (stage_model, journey_id, touchpoint_number);
--         stg_touchpoints (source, event_id); seed_utc_offsets (one row per stretch of time with one UTC
--         offset).
-- Params: $stage_model: the project's own; $trend_from_us: since when; $as_of_us: end of the as-of day.
with

entries as (

    select
        int_journey_stages.stage_model,
        int_journey_stages.stage,
        int_journey_stages.journey_id,
        min(int_stage_visits.entry_number) as entry_number,
        min(int_journey_stages.entered_us) as entered_us,
        min(int_journey_stages.entered_us + int_stage_horizons.horizon_us) as watched_to_us,
        min(int_journey_stages.left_us) as left_us,
        min(int_journey_stages.first_channel) as first_channel,
        min(int_journey_stages.entry_channel) as entry_channel
    from int_journey_stages
    inner join int_stage_visits
        on
            int_journey_stages.stage_model = int_stage_visits.stage_model
            and int_journey_stages.journey_id = int_stage_visits.journey_id
            and int_journey_stages.stage = int_stage_visits.stage
    inner join int_stage_horizons
        on
            int_journey_stages.stage_model = int_stage_horizons.stage_model
            and int_journey_stages.funnel_kind = int_stage_horizons.funnel_kind
            and int_journey_stages.stage = int_stage_horizons.stage
    where
        int_journey_stages.funnel_kind = 'touched'
        and int_journey_stages.entered_us >= $trend_from_us
        and int_stage_visits.entered_us >= $trend_from_us
        and int_journey_stages.entered_us + int_stage_horizons.horizon_us <= $as_of_us
    group by int_journey_stages.stage_model, int_journey_stages.stage, int_journey_stages.journey_id

),

touchpoints as (

    select
        $stage_model as stage_model,
        journey_id,
        touchpoint_number,
        source,
        event_id,
        rule
    from int_journey_touchpoints
    where occurred_us >= $trend_from_us
    union all
    select
        stage_model,
        journey_id,
        touchpoint_number,
        source,
        event_id,
        cast(null as string) as rule
    from int_further_touchpoints
    where occurred_us >= $trend_from_us

),

final as (

    select
        entries.stage_model,
        entries.stage,
        entries.journey_id,
        entries.entry_number,
        entries.watched_to_us,
        cast(timestamp_micros(entries.entered_us + seed_utc_offsets.offset_us) as date) as entered_date,
        entries.entry_channel as channel,
        entries.first_channel as first_touch_channel,
        stg_touchpoints.device,
        stg_touchpoints.utm_campaign,
        stg_touchpoints.page_path,
        stg_touchpoints.event_name,
        touchpoints.rule,
        stg_touchpoints.country,
        coalesce(entries.left_us <= entries.watched_to_us, false) as is_continued
    from entries
    inner join touchpoints
        on
            entries.stage_model = touchpoints.stage_model
            and entries.journey_id = touchpoints.journey_id
            and entries.entry_number = touchpoints.touchpoint_number
    inner join stg_touchpoints
        on
            touchpoints.source = stg_touchpoints.source
            and touchpoints.event_id = stg_touchpoints.event_id
            and stg_touchpoints.occurred_us >= $trend_from_us
    inner join seed_utc_offsets
        on
            entries.entered_us >= seed_utc_offsets.from_us
            and entries.entered_us < seed_utc_offsets.to_us

)

select * from final

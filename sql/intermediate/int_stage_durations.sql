-- int_stage_durations: how long journeys stayed in a stage before they went on, or have been watched there.
-- The last stage of a funnel is left out: nothing follows it.
-- Grain:  one row per stage_model, funnel_kind, channel_role, channel, stage, watched_us; one microsecond
--         more than the conversion window stands for all that did not go on within it.
-- Reads:  int_journey_stages (stage_model, journey_id, funnel_kind, stage); int_journeys (journey_id);
--         int_funnel_stages (stage_model, funnel_kind, stage).
-- Params: $as_of_us: end of the as-of day; $conversion_window_us: the limit included.
with

journey_stages as (

    select
        int_journey_stages.stage_model,
        int_journey_stages.funnel_kind,
        int_journeys.first_channel,
        int_journey_stages.entry_channel,
        int_journey_stages.last_channel,
        int_journey_stages.stage,
        int_journey_stages.outcome,
        case
            when int_journey_stages.outcome = 'continued'
                then int_journey_stages.left_us - int_journey_stages.entered_us
            when int_journey_stages.outcome = 'open' then $as_of_us - int_journey_stages.entered_us
        end as watched_us
    from int_journey_stages
    inner join int_journeys
        on int_journey_stages.journey_id = int_journeys.journey_id
    inner join int_funnel_stages
        on
            int_journey_stages.stage_model = int_funnel_stages.stage_model
            and int_journey_stages.funnel_kind = int_funnel_stages.funnel_kind
            and int_journey_stages.stage = int_funnel_stages.stage
            and not int_funnel_stages.is_last

),

-- who was watched for the whole window without going on is alike, whatever came afterwards
in_window as (

    select
        stage_model,
        funnel_kind,
        first_channel,
        entry_channel,
        last_channel,
        stage,
        case
            when watched_us <= $conversion_window_us then watched_us
            else $conversion_window_us + 1
        end as watched_us,
        case
            when outcome = 'continued' and watched_us <= $conversion_window_us then 1
            else 0
        end as is_continued
    from journey_stages

),

by_role as (

    select
        stage_model,
        funnel_kind,
        'all' as channel_role,
        'all' as channel,
        stage,
        watched_us,
        is_continued
    from in_window
    union all
    select
        stage_model,
        funnel_kind,
        'first_touch' as channel_role,
        first_channel as channel,
        stage,
        watched_us,
        is_continued
    from in_window
    union all
    select
        stage_model,
        funnel_kind,
        'stage_entry' as channel_role,
        entry_channel as channel,
        stage,
        watched_us,
        is_continued
    from in_window
    union all
    select
        stage_model,
        funnel_kind,
        'last_touch' as channel_role,
        last_channel as channel,
        stage,
        watched_us,
        is_continued
    from in_window

),

final as (

    select
        stage_model,
        funnel_kind,
        channel_role,
        channel,
        stage,
        watched_us,
        count(*) as journeys,
        cast(sum(is_continued) as bigint) as journeys_continued
    from by_role
    group by stage_model, funnel_kind, channel_role, channel, stage, watched_us

)

select * from final

-- int_stage_durations: how long journeys stayed in a stage before they went on, or have been watched there.
-- The last stage of a funnel is left out: nothing follows it. One microsecond more than the conversion window
-- stands for all times of those that did not go on within it.
-- Grain:  one row per stage_model, journey_id, funnel_kind, stage.
-- Reads:  int_journey_stages (stage_model, journey_id, funnel_kind, stage);
--         int_funnel_stages (stage_model, funnel_kind, stage).
-- Params: $as_of_us: end of the as-of day; $conversion_window_us: the limit included.
with

journey_stages as (

    select
        int_journey_stages.stage_model,
        int_journey_stages.journey_id,
        int_journey_stages.funnel_kind,
        int_journey_stages.first_channel,
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
    inner join int_funnel_stages
        on
            int_journey_stages.stage_model = int_funnel_stages.stage_model
            and int_journey_stages.funnel_kind = int_funnel_stages.funnel_kind
            and int_journey_stages.stage = int_funnel_stages.stage
            and not int_funnel_stages.is_last

),

-- who was watched for the whole window without going on is alike, whatever came afterwards
final as (

    select
        stage_model,
        journey_id,
        funnel_kind,
        stage,
        first_channel,
        entry_channel,
        last_channel,
        case
            when watched_us <= $conversion_window_us then watched_us
            else $conversion_window_us + 1
        end as watched_us,
        coalesce(outcome = 'continued' and watched_us <= $conversion_window_us, false) as is_continued
    from journey_stages

)

select * from final

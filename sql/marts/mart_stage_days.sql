-- mart_stage_days: how many journeys that reached a stage on a day went on soon, and what was to be expected.
-- Expectations are those of the funnel kind `touched`, in which alerts are looked for.
-- Grain:  one row per stage_model, funnel_kind, channel_role, channel, stage, entered_date; none for a day on
--         which no journey reached the stage, or whose journeys are not watched for long enough yet.
-- Reads:  int_stage_days (the grain above); int_stage_limits (stage_model, channel_role, channel, stage,
--         entered_date).
-- Params: none.
with

final as (

    select
        int_stage_days.stage_model,
        int_stage_days.funnel_kind,
        int_stage_days.channel_role,
        int_stage_days.channel,
        int_stage_days.stage,
        int_stage_days.stage_ordinal,
        int_stage_days.entered_date,
        cast(int_stage_days.horizon_us as double) / cast(1000000 as double) as horizon_seconds,
        int_stage_days.journeys_reached,
        int_stage_days.journeys_continued,
        cast(int_stage_days.revenue_continued as decimal(18, 2)) as revenue_continued,
        cast(int_stage_days.journeys_reached - int_stage_days.journeys_continued as double)
        / cast(int_stage_days.journeys_reached as double) as early_drop_off_rate,
        int_stage_limits.expected_rate,
        int_stage_limits.limit_low,
        int_stage_limits.limit_high,
        coalesce(int_stage_limits.is_alert_day, false) as is_alert_day
    from int_stage_days
    left join int_stage_limits
        on
            int_stage_days.funnel_kind = 'touched'
            and int_stage_days.stage_model = int_stage_limits.stage_model
            and int_stage_days.channel_role = int_stage_limits.channel_role
            and int_stage_days.channel = int_stage_limits.channel
            and int_stage_days.stage = int_stage_limits.stage
            and int_stage_days.entered_date = int_stage_limits.entered_date

)

select * from final

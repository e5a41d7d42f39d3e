-- int_alert_signs: event names that all but stopped, or appeared, with an alert: the data may have changed.
-- A name that came at least twenty times a day before, and a tenth of that in the days of the alert, or the
-- other way round.
-- Grain:  one row per stage_model, alert_number, sign, event_name.
-- Reads:  int_alert_causes (stage_model, alert_number, cause_rank); int_stage_changes (stage_model,
--         channel_role, channel, stage); int_journey_touchpoints (source, event_id); int_stage_limits
--         (stage_model, channel_role, channel, stage, entered_date).
-- Params: none.
with

alerts as (

    select
        int_alert_causes.stage_model,
        int_alert_causes.alert_number,
        int_stage_changes.first_date,
        int_stage_changes.last_date
    from int_alert_causes
    inner join int_stage_changes
        on
            int_alert_causes.stage_model = int_stage_changes.stage_model
            and int_alert_causes.channel_role = int_stage_changes.channel_role
            and int_alert_causes.channel = int_stage_changes.channel
            and int_alert_causes.stage = int_stage_changes.stage
    where int_alert_causes.cause_rank = 1

),

days as (

    select distinct entered_date
    from int_stage_limits

),

-- the days of an alert, and those before all that are looked at for alerts
alert_days as (

    select
        alerts.stage_model,
        alerts.alert_number,
        days.entered_date,
        days.entered_date >= alerts.first_date as is_now
    from alerts
    inner join days
        on alerts.last_date >= days.entered_date

),

spans as (

    select
        stage_model,
        alert_number,
        cast(sum(case when is_now then 1 else 0 end) as bigint) as days_now,
        cast(sum(case when is_now then 0 else 1 end) as bigint) as days_before
    from alert_days
    group by stage_model, alert_number

),

events_of_days as (

    select
        int_journey_touchpoints.occurred_date,
        int_journey_touchpoints.event_name,
        count(*) as events
    from int_journey_touchpoints
    inner join days
        on int_journey_touchpoints.occurred_date = days.entered_date
    group by int_journey_touchpoints.occurred_date, int_journey_touchpoints.event_name

),

counts as (

    select
        alert_days.stage_model,
        alert_days.alert_number,
        events_of_days.event_name,
        cast(sum(
            case when alert_days.is_now then events_of_days.events else 0 end
        ) as bigint) as events_now,
        cast(sum(
            case when alert_days.is_now then 0 else events_of_days.events end
        ) as bigint) as events_before
    from alert_days
    inner join events_of_days
        on alert_days.entered_date = events_of_days.occurred_date
    group by alert_days.stage_model, alert_days.alert_number, events_of_days.event_name

),

per_day as (

    select
        counts.stage_model,
        counts.alert_number,
        counts.event_name,
        cast(counts.events_now as double) / cast(spans.days_now as double) as events_per_day,
        cast(counts.events_before as double)
        / cast(nullif(spans.days_before, 0) as double) as baseline_events_per_day
    from counts
    inner join spans
        on
            counts.stage_model = spans.stage_model
            and counts.alert_number = spans.alert_number

),

final as (

    select
        stage_model,
        alert_number,
        case when events_per_day < baseline_events_per_day then 'fell_silent' else 'appeared' end as sign,
        event_name,
        events_per_day,
        baseline_events_per_day
    from per_day
    where
        (baseline_events_per_day >= 20.0e0 and events_per_day <= baseline_events_per_day * 0.1e0)
        or (events_per_day >= 20.0e0 and baseline_events_per_day <= events_per_day * 0.1e0)

)

select * from final

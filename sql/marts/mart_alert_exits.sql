-- mart_alert_exits: what the journeys of an alert that did not go on did next, against what they used to do.
-- Grain:  one row per stage_model, alert_number, event_name; '(nothing)': no touchpoint within the horizon.
-- Reads:  int_alert_causes (stage_model, alert_number, cause_rank); int_stage_changes (stage_model,
--         channel_role, channel, stage); int_stage_entries (stage_model, stage, journey_id);
--         int_journey_touchpoints (journey_id, touchpoint_number); int_further_touchpoints (stage_model,
--         journey_id, touchpoint_number).
-- Params: $stage_model: the project's own.
with

alerts as (

    select
        int_alert_causes.stage_model,
        int_alert_causes.alert_number,
        int_alert_causes.stage,
        int_alert_causes.channel_role,
        int_alert_causes.channel,
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

stopped as (

    select
        alerts.stage_model,
        alerts.alert_number,
        int_stage_entries.journey_id,
        int_stage_entries.entry_number,
        int_stage_entries.watched_to_us,
        int_stage_entries.entered_date >= alerts.first_date as is_now
    from alerts
    inner join int_stage_entries
        on
            alerts.stage_model = int_stage_entries.stage_model
            and alerts.stage = int_stage_entries.stage
            and alerts.last_date >= int_stage_entries.entered_date
            and not int_stage_entries.is_continued
            and alerts.channel = case alerts.channel_role
                when 'stage_entry' then int_stage_entries.channel
                when 'first_touch' then int_stage_entries.first_touch_channel
                else 'all'
            end

),

touchpoints as (

    select
        $stage_model as stage_model,
        journey_id,
        touchpoint_number,
        occurred_us,
        event_name
    from int_journey_touchpoints
    union all
    select
        stage_model,
        journey_id,
        touchpoint_number,
        occurred_us,
        event_name
    from int_further_touchpoints

),

with_next as (

    select
        stopped.stage_model,
        stopped.alert_number,
        stopped.is_now,
        case
            when touchpoints.occurred_us <= stopped.watched_to_us then touchpoints.event_name
            else '(nothing)'
        end as event_name
    from stopped
    left join touchpoints
        on
            stopped.stage_model = touchpoints.stage_model
            and stopped.journey_id = touchpoints.journey_id
            and stopped.entry_number + 1 = touchpoints.touchpoint_number

),

counts as (

    select
        stage_model,
        alert_number,
        event_name,
        cast(sum(case when is_now then 1 else 0 end) as bigint) as journeys,
        cast(sum(case when is_now then 0 else 1 end) as bigint) as journeys_before
    from with_next
    group by stage_model, alert_number, event_name

),

totals as (

    select
        stage_model,
        alert_number,
        cast(sum(journeys) as bigint) as journeys,
        cast(sum(journeys_before) as bigint) as journeys_before
    from counts
    group by stage_model, alert_number

),

with_share as (

    select
        counts.stage_model,
        counts.alert_number,
        counts.event_name,
        counts.journeys,
        cast(counts.journeys as double) / cast(totals.journeys as double) as journeys_share,
        cast(counts.journeys_before as double)
        / cast(nullif(totals.journeys_before, 0) as double) as baseline_share
    from counts
    inner join totals
        on
            counts.stage_model = totals.stage_model
            and counts.alert_number = totals.alert_number

),

final as (

    select
        stage_model,
        alert_number,
        event_name,
        journeys,
        journeys_share,
        baseline_share,
        journeys_share - baseline_share as share_change
    from with_share

)

select * from final

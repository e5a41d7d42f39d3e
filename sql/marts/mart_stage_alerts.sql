-- mart_stage_alerts: the stages and channels at which lately fewer journeys go on, with the likeliest cause.
-- Grain:  one row per stage_model, alert_number.
-- Reads:  int_alert_causes (stage_model, alert_number, cause_rank); int_stage_changes (stage_model,
--         channel_role, channel, stage); int_stage_horizons (stage_model, funnel_kind, stage);
--         int_funnel_stages (stage_model, funnel_kind, stage); int_alert_signs (stage_model, alert_number,
--         sign, event_name); int_stage_limits (stage_model, channel_role, channel, stage, entered_date).
-- Params: none.
with

suspects as (

    select distinct
        stage_model,
        alert_number
    from int_alert_signs

),

days as (

    select
        stage_model,
        channel_role,
        channel,
        stage,
        count(*) as alert_days
    from int_stage_limits
    where is_alert_day
    group by stage_model, channel_role, channel, stage

),

final as (

    select
        int_alert_causes.stage_model,
        int_alert_causes.alert_number,
        int_alert_causes.stage,
        int_funnel_stages.stage_ordinal,
        int_alert_causes.channel_role,
        int_alert_causes.channel,
        int_stage_changes.first_date,
        int_stage_changes.last_date,
        int_stage_changes.is_over,
        days.alert_days,
        cast(int_stage_horizons.horizon_us as double) / cast(1000000 as double) as horizon_seconds,
        int_stage_changes.journeys_reached,
        int_stage_changes.alert_rate as early_drop_off_rate,
        int_stage_changes.alert_baseline_rate as baseline_rate,
        int_stage_changes.alert_change as change,
        int_stage_changes.alert_change_low as change_low,
        int_stage_changes.alert_change_high as change_high,
        int_stage_changes.p_value,
        int_stage_changes.q_value,
        int_stage_changes.excess_drops,
        int_stage_changes.value_at_risk,
        int_alert_causes.cells_alerting,
        int_alert_causes.dimension as cause_dimension,
        int_alert_causes.value as cause_value,
        int_alert_causes.cause_channel,
        int_alert_causes.excess_share as cause_share,
        int_alert_causes.volume_share as cause_volume_share,
        suspects.alert_number is not null as is_data_suspect
    from int_alert_causes
    inner join int_stage_changes
        on
            int_alert_causes.stage_model = int_stage_changes.stage_model
            and int_alert_causes.channel_role = int_stage_changes.channel_role
            and int_alert_causes.channel = int_stage_changes.channel
            and int_alert_causes.stage = int_stage_changes.stage
    inner join days
        on
            int_alert_causes.stage_model = days.stage_model
            and int_alert_causes.channel_role = days.channel_role
            and int_alert_causes.channel = days.channel
            and int_alert_causes.stage = days.stage
    inner join int_stage_horizons
        on
            int_alert_causes.stage_model = int_stage_horizons.stage_model
            and int_alert_causes.stage = int_stage_horizons.stage
            and int_stage_horizons.funnel_kind = 'touched'
    inner join int_funnel_stages
        on
            int_alert_causes.stage_model = int_funnel_stages.stage_model
            and int_alert_causes.stage = int_funnel_stages.stage
            and int_funnel_stages.funnel_kind = 'touched'
    left join suspects
        on
            int_alert_causes.stage_model = suspects.stage_model
            and int_alert_causes.alert_number = suspects.alert_number
    where int_alert_causes.cause_rank = 1

)

select * from final

-- mart_alert_causes: what may carry an alert, the likeliest first.
-- Grain:  one row per stage_model, alert_number, cause_rank.
-- Reads:  int_alert_causes.
-- Params: none.
with

final as (

    select
        stage_model,
        alert_number,
        cause_rank,
        dimension,
        value,
        cause_channel,
        journeys_reached,
        early_drop_off_rate,
        baseline_rate,
        excess_drops,
        excess_share,
        volume_share,
        gain
    from int_alert_causes

)

select * from final

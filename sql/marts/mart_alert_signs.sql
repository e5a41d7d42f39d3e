-- mart_alert_signs: signs that the data itself changed with an alert, before the world is blamed.
-- Grain:  one row per stage_model, alert_number, sign, event_name.
-- Reads:  int_alert_signs.
-- Params: none.
with

final as (

    select
        stage_model,
        alert_number,
        sign,
        event_name,
        events_per_day,
        baseline_events_per_day
    from int_alert_signs

)

select * from final

-- warn: rules that took events in each of the four weeks before the last, 40 or more in all, and none in it.
-- When most of what else came in those weeks stays away too, by names or by events, it is the data that
-- stopped or thins out, and not the rule.
with

totals as (

    select
        stage_model,
        cast(sum(events_last_week) as bigint) as events_last_week,
        cast(sum(events_four_weeks_before) as bigint) as events_four_weeks_before,
        cast(sum(case when weeks_seen_before >= 2 then 1 else 0 end) as bigint) as names_seen,
        cast(
            sum(case when weeks_seen_before >= 2 and events_last_week > 0 then 1 else 0 end) as bigint
        ) as names_seen_still
    from mart_rule_coverage
    group by stage_model

),

final as (

    select
        mart_rule_coverage.stage_model,
        mart_rule_coverage.name as rule,
        mart_rule_coverage.events_four_weeks_before,
        mart_rule_coverage.last_seen_at,
        'the rule took events every week and none in the last' as reason
    from mart_rule_coverage
    inner join totals
        on mart_rule_coverage.stage_model = totals.stage_model
    where
        mart_rule_coverage.coverage <> 'unmapped'
        and mart_rule_coverage.events_last_week = 0
        and mart_rule_coverage.weeks_seen_before = 4
        and mart_rule_coverage.events_four_weeks_before >= 40
        -- half of the other names, and half of their events in a usual week
        and totals.names_seen > 1
        and totals.names_seen_still * 2 >= totals.names_seen - 1
        and totals.events_last_week * 8
        >= totals.events_four_weeks_before - mart_rule_coverage.events_four_weeks_before

)

select * from final

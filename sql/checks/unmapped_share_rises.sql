-- warn: event names that no rule takes, if their share rose in a week by over 1 point and 3 standard errors.
-- The weeks are the last one up to the as-of day and the one before; both need 100 events, and the last one
-- 20 unmapped ones, so that few events raise no alarm. The standard error is that of the difference of two
-- shares, pooled.
with

totals as (

    select
        stage_model,
        cast(sum(events_last_week) as bigint) as events_last,
        cast(sum(events_week_before) as bigint) as events_before,
        cast(sum(case when coverage = 'unmapped' then events_last_week else 0 end) as bigint)
            as unmapped_last,
        cast(sum(case when coverage = 'unmapped' then events_week_before else 0 end) as bigint)
            as unmapped_before
    from mart_rule_coverage
    group by stage_model

),

shares as (

    select
        stage_model,
        cast(unmapped_last as double) / cast(events_last as double) as share_last,
        cast(unmapped_before as double) / cast(events_before as double) as share_before,
        cast(unmapped_last + unmapped_before as double)
        / cast(events_last + events_before as double) as share_pooled,
        1.0e0 / cast(events_last as double) + 1.0e0 / cast(events_before as double) as spread
    from totals
    where events_last >= 100 and events_before >= 100 and unmapped_last >= 20

),

risen as (

    select
        stage_model,
        share_last,
        share_before
    from shares
    where
        share_last - share_before > 0.01e0
        and (share_last - share_before) * (share_last - share_before)
        > 9.0e0 * share_pooled * (1.0e0 - share_pooled) * spread

),

final as (

    select
        mart_rule_coverage.stage_model,
        mart_rule_coverage.name as event_name,
        mart_rule_coverage.events_last_week,
        mart_rule_coverage.events_week_before,
        risen.share_last as unmapped_share_last_week,
        risen.share_before as unmapped_share_week_before,
        'the share of events that no stage rule takes rose; this name has part in it' as reason
    from mart_rule_coverage
    inner join risen
        on mart_rule_coverage.stage_model = risen.stage_model
    where
        mart_rule_coverage.coverage = 'unmapped'
        and mart_rule_coverage.events_change > 0

)

select * from final

-- mart_rule_coverage: how much each stage rule takes, and each event name that no rule takes.
-- Grain:  one row per stage_model, coverage, name: a rule, even one that takes nothing, or an event name that
--         no rule takes.
-- Reads:  int_touchpoint_rules (stage_model, source, event_id); seed_stage_rules (stage_model, rule_number).
-- Params: $as_of_us: end of the as-of day; the weeks are stretches of 7 times 24 hours that end there.
with

covered as (

    select
        stage_model,
        rule_number,
        -- the name tells unmapped events apart, and the rule's number all others
        case when rule_number is null then event_name end as event_name,
        customer_id,
        occurred_us,
        case
            when occurred_us >= $as_of_us - 604800000000 then 0
            when occurred_us >= $as_of_us - 1209600000000 then 1
            when occurred_us >= $as_of_us - 1814400000000 then 2
            when occurred_us >= $as_of_us - 2419200000000 then 3
            when occurred_us >= $as_of_us - 3024000000000 then 4
        end as weeks_ago
    from int_touchpoint_rules

),

counted as (

    select
        stage_model,
        rule_number,
        event_name,
        count(*) as events,
        count(distinct customer_id) as customers,
        min(occurred_us) as first_us,
        max(occurred_us) as last_us,
        cast(sum(case when weeks_ago = 0 then 1 else 0 end) as bigint) as events_last_week,
        cast(sum(case when weeks_ago = 1 then 1 else 0 end) as bigint) as events_week_before,
        cast(sum(case when weeks_ago >= 1 then 1 else 0 end) as bigint) as events_four_weeks_before,
        count(distinct case when weeks_ago >= 1 then weeks_ago end) as weeks_seen_before
    from covered
    group by stage_model, rule_number, event_name

),

totals as (

    select
        stage_model,
        cast(sum(events) as bigint) as events
    from counted
    group by stage_model

),

listed as (

    select
        seed_stage_rules.stage_model,
        case when seed_stage_rules.is_ignored then 'ignored' else 'mapped' end as coverage,
        seed_stage_rules.rule as name,
        seed_stage_rules.rule_number,
        seed_stage_rules.stage,
        counted.events,
        counted.customers,
        counted.first_us,
        counted.last_us,
        counted.events_last_week,
        counted.events_week_before,
        counted.events_four_weeks_before,
        counted.weeks_seen_before
    from seed_stage_rules
    left join counted
        on
            seed_stage_rules.stage_model = counted.stage_model
            and seed_stage_rules.rule_number = counted.rule_number
    union all
    select
        stage_model,
        'unmapped' as coverage,
        event_name as name,
        rule_number,
        cast(null as string) as stage,
        events,
        customers,
        first_us,
        last_us,
        events_last_week,
        events_week_before,
        events_four_weeks_before,
        weeks_seen_before
    from counted
    where rule_number is null

),

final as (

    select
        listed.stage_model,
        listed.coverage,
        listed.name,
        listed.rule_number,
        listed.stage,
        coalesce(listed.events, 0) as events,
        coalesce(listed.customers, 0) as customers,
        cast(coalesce(listed.events, 0) as double)
        / cast(nullif(totals.events, 0) as double) as event_share,
        timestamp_micros(listed.first_us) as first_seen_at,
        timestamp_micros(listed.last_us) as last_seen_at,
        coalesce(listed.events_last_week, 0) as events_last_week,
        coalesce(listed.events_week_before, 0) as events_week_before,
        coalesce(listed.events_last_week, 0) - coalesce(listed.events_week_before, 0) as events_change,
        coalesce(listed.events_four_weeks_before, 0) as events_four_weeks_before,
        coalesce(listed.weeks_seen_before, 0) as weeks_seen_before
    from listed
    left join totals
        on listed.stage_model = totals.stage_model

)

select * from final

-- mart_rule_coverage: how much each stage rule takes, and each event name that no rule takes.
-- Grain:  one row per stage_model, coverage, name: a rule, even one that takes nothing, or an event name that
--         no rule takes.
-- Reads:  stg_touchpoints (source, event_id); int_touchpoint_rules (source, event_id);
--         seed_stage_rules (rule_number); seed_stages (stage).
-- Params: $as_of_us: end of the as-of day; the weeks are stretches of 7 times 24 hours that end there.
with

stage_models as (

    select stage_model
    from seed_stages
    group by stage_model

),

covered as (

    select
        int_touchpoint_rules.rule_number,
        -- the name tells unmapped events apart, and the rule's number all others
        case
            when int_touchpoint_rules.rule_number is null then stg_touchpoints.event_name
        end as event_name,
        stg_touchpoints.customer_id,
        stg_touchpoints.occurred_us,
        case
            when stg_touchpoints.occurred_us >= $as_of_us - 604800000000 then 0
            when stg_touchpoints.occurred_us >= $as_of_us - 1209600000000 then 1
            when stg_touchpoints.occurred_us >= $as_of_us - 1814400000000 then 2
            when stg_touchpoints.occurred_us >= $as_of_us - 2419200000000 then 3
            when stg_touchpoints.occurred_us >= $as_of_us - 3024000000000 then 4
        end as weeks_ago
    from int_touchpoint_rules
    inner join stg_touchpoints
        on
            int_touchpoint_rules.source = stg_touchpoints.source
            and int_touchpoint_rules.event_id = stg_touchpoints.event_id

),

counted as (

    select
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
    group by rule_number, event_name

),

totals as (

    select cast(sum(events) as bigint) as events
    from counted

),

listed as (

    select
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
        on seed_stage_rules.rule_number = counted.rule_number
    union all
    select
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
        stage_models.stage_model,
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
    cross join totals
    cross join stage_models

)

select * from final

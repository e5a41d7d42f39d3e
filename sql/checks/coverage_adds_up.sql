-- fail: touchpoints that the coverage counts for a rule and the marts do not hold, or the other way round.
with

covered as (

    select
        case when coverage = 'mapped' then name end as rule,
        cast(sum(events) as bigint) as events
    from mart_rule_coverage
    where coverage <> 'ignored' and events > 0
    group by case when coverage = 'mapped' then name end

),

found as (

    select
        rule,
        count(*) as events
    from mart_touchpoints
    group by rule

),

united as (

    select
        rule,
        events as events_covered,
        cast(0 as bigint) as events_found
    from covered
    union all
    select
        rule,
        cast(0 as bigint) as events_covered,
        events as events_found
    from found

),

summed as (

    select
        rule,
        cast(sum(events_covered) as bigint) as events_covered,
        cast(sum(events_found) as bigint) as events_found
    from united
    group by rule

),

final as (

    select
        rule,
        events_covered,
        events_found,
        'the rule covers other events than the marts hold' as reason
    from summed
    where events_covered <> events_found

)

select * from final

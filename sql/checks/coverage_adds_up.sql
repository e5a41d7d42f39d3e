-- fail: touchpoints that the coverage counts for a rule and the marts do not hold, or the other way round.
-- The touchpoints carry the rules of the stage model that cuts the journeys.
with

own_models as (

    select stage_model
    from mart_journeys
    group by stage_model

),

covered as (

    select
        case when mart_rule_coverage.coverage = 'mapped' then mart_rule_coverage.name end as rule,
        cast(sum(mart_rule_coverage.events) as bigint) as events
    from mart_rule_coverage
    inner join own_models
        on mart_rule_coverage.stage_model = own_models.stage_model
    where mart_rule_coverage.coverage <> 'ignored' and mart_rule_coverage.events > 0
    group by case when mart_rule_coverage.coverage = 'mapped' then mart_rule_coverage.name end

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

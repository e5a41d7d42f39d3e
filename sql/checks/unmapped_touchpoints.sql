-- warn: event names that no stage rule takes, when they are more than 1 in 100 touchpoints together.
with

by_name as (

    select
        source,
        event_name,
        count(*) as touchpoints,
        cast(sum(case when rule is null then 1 else 0 end) as bigint) as touchpoints_unmapped
    from mart_touchpoints
    group by source, event_name

),

totals as (

    select
        cast(sum(touchpoints) as bigint) as touchpoints,
        cast(sum(touchpoints_unmapped) as bigint) as touchpoints_unmapped
    from by_name

),

final as (

    select
        by_name.source,
        by_name.event_name,
        by_name.touchpoints_unmapped,
        'no stage rule takes this event' as reason
    from by_name
    cross join totals
    where
        by_name.touchpoints_unmapped > 0
        and totals.touchpoints_unmapped * 100 > totals.touchpoints

)

select * from final

-- fail: money that is in the journeys and not in their touchpoints, or the other way round.
with

by_touchpoint as (

    select cast(sum(revenue) as decimal(18, 4)) as revenue
    from mart_touchpoints

),

by_journey as (

    select cast(sum(revenue) as decimal(18, 4)) as revenue
    from mart_journeys

),

final as (

    select
        by_touchpoint.revenue as revenue_of_touchpoints,
        by_journey.revenue as revenue_of_journeys,
        'revenue of journeys and of touchpoints differ' as reason
    from by_touchpoint
    cross join by_journey
    where coalesce(by_touchpoint.revenue, 0) <> coalesce(by_journey.revenue, 0)

)

select * from final

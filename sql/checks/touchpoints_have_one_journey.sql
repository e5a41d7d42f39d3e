-- fail: journeys whose touchpoints in mart_touchpoints are not those that mart_journeys counts.
with

counted as (

    select
        journey_id,
        customer_id,
        count(*) as touchpoints
    from mart_touchpoints
    group by journey_id, customer_id

),

final as (

    select
        coalesce(counted.journey_id, mart_journeys.journey_id) as journey_id,
        coalesce(counted.customer_id, mart_journeys.customer_id) as customer_id,
        counted.touchpoints as touchpoints_found,
        mart_journeys.touchpoints as touchpoints_counted,
        'the touchpoints of the journey are not those it counts' as reason
    from counted
    full outer join mart_journeys
        on
            counted.journey_id = mart_journeys.journey_id
            and counted.customer_id = mart_journeys.customer_id
    where
        counted.touchpoints is null
        or mart_journeys.touchpoints is null
        or counted.touchpoints <> mart_journeys.touchpoints

)

select * from final

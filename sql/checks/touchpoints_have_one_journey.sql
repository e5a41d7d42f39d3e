-- fail: journeys whose touchpoints in mart_touchpoints are not those that mart_journeys counts.
-- The customer of a journey is that of its first touchpoint: a key of its own may join several.
with

counted as (

    select
        journey_id,
        min(case when touchpoint_number = 1 then customer_id end) as customer_id,
        count(*) as touchpoints,
        max(touchpoint_number) as last_number
    from mart_touchpoints
    group by journey_id

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
        or counted.touchpoints <> counted.last_number

)

select * from final

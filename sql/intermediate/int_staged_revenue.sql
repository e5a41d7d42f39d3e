-- int_staged_revenue: the money of all touchpoints that are not ignored, before journeys are cut.
-- Grain:  one row.
-- Reads:  int_touchpoints (one row per source, event_id).
-- Params: none.
with

final as (

    select cast(sum(revenue) as decimal(18, 4)) as revenue
    from int_touchpoints

)

select * from final

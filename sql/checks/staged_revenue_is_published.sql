-- fail: money of staged touchpoints that no mart holds, or money in the marts that was never staged.
with

published as (

    select cast(sum(revenue) as decimal(18, 4)) as revenue
    from mart_touchpoints

),

final as (

    select
        int_staged_revenue.revenue as revenue_staged,
        published.revenue as revenue_published,
        'the money published is not the money staged' as reason
    from int_staged_revenue
    cross join published
    where coalesce(int_staged_revenue.revenue, 0) <> coalesce(published.revenue, 0)

)

select * from final

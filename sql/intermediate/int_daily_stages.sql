-- int_daily_stages: touchpoints by day and stage, of the days that the learned gates look at.
-- Grain:  one row per source, occurred_date, stage; ignored touchpoints are left out.
-- Reads:  int_touchpoints (one row per source, event_id).
-- Params: $as_of_us: end of the as-of day.
with

final as (

    select
        source,
        occurred_date,
        -- what no rule takes is a part of its own
        coalesce(stage, '(unmapped)') as stage,
        count(*) as events
    from int_touchpoints
    -- two weeks that may be judged and the eight weeks before them: 71 days
    where occurred_us >= $as_of_us - 6134400000000
    group by source, occurred_date, coalesce(stage, '(unmapped)')

)

select * from final

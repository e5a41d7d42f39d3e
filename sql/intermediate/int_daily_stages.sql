-- int_daily_stages: touchpoints by day and stage, of the days that the learned gates look at.
-- Grain:  one row per source, occurred_date, stage; ignored touchpoints are left out.
-- Reads:  int_touchpoints (one row per source, event_id).
-- Params: $counted_from_us, $counted_to_us: the days that may be judged and those before them; the latter
--         instant is not included.
with

final as (

    select
        source,
        occurred_date,
        -- what no rule takes is a part of its own
        coalesce(stage, '(unmapped)') as stage,
        count(*) as events
    from int_touchpoints
    where
        occurred_us >= $counted_from_us
        and occurred_us < $counted_to_us
    group by source, occurred_date, coalesce(stage, '(unmapped)')

)

select * from final

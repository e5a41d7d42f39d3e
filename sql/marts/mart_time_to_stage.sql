-- mart_time_to_stage: how long journeys take from entering a stage to entering the next one they reach.
-- The stages are those of the progressive funnel with a touchpoint of their own: a stage that a journey skips
-- is neither entered nor the next one.
-- Channels have the roles of mart_stage_funnel, at the stage that is left.
-- Grain:  one row per stage_model, channel_role, channel, stage, next_stage; next_stage `(any)` holds all
--         next stages together, and is there when a journey went on or is open.
-- Reads:  int_journey_stages (stage_model, journey_id, funnel_kind, stage).
-- Params: none.
with

entered as (

    select
        stage_model,
        journey_id,
        stage,
        stage_ordinal,
        first_channel,
        entry_channel,
        last_channel,
        outcome,
        left_us - entered_us as stay_us,
        lead(stage) over (
            partition by journey_id, stage_model
            order by stage_ordinal asc nulls first
        ) as next_stage
    from int_journey_stages
    where
        funnel_kind = 'progressive'
        and not is_skipped

),

-- who ended in the stage will never leave it, and nothing follows the last stage
may_go_on as (

    select
        stage_model,
        stage,
        stage_ordinal,
        first_channel,
        entry_channel,
        last_channel,
        next_stage,
        stay_us
    from entered
    where
        stay_us is not null
        or outcome = 'open'

),

to_each as (

    select
        stage_model,
        stage,
        stage_ordinal,
        first_channel,
        entry_channel,
        last_channel,
        '(any)' as next_stage,
        stay_us
    from may_go_on
    union all
    select
        stage_model,
        stage,
        stage_ordinal,
        first_channel,
        entry_channel,
        last_channel,
        next_stage,
        stay_us
    from may_go_on
    where stay_us is not null

),

by_role as (

    select
        stage_model,
        'all' as channel_role,
        'all' as channel,
        stage,
        stage_ordinal,
        next_stage,
        stay_us
    from to_each
    union all
    select
        stage_model,
        'first_touch' as channel_role,
        first_channel as channel,
        stage,
        stage_ordinal,
        next_stage,
        stay_us
    from to_each
    union all
    select
        stage_model,
        'stage_entry' as channel_role,
        entry_channel as channel,
        stage,
        stage_ordinal,
        next_stage,
        stay_us
    from to_each
    union all
    select
        stage_model,
        'last_touch' as channel_role,
        last_channel as channel,
        stage,
        stage_ordinal,
        next_stage,
        stay_us
    from to_each

),

-- microseconds of many journeys together do not fit into a BIGINT
measured as (

    select
        stage_model,
        channel_role,
        channel,
        stage,
        stage_ordinal,
        next_stage,
        count(stay_us) as journeys_continued,
        case when next_stage = '(any)' then count(*) - count(stay_us) end as journeys_open,
        cast(sum(cast(stay_us as decimal(28, 0))) as decimal(38, 0)) as total_us,
        cast(percentile_disc(0.5) within group (order by stay_us asc nulls first) as bigint) as p50_us,
        cast(percentile_disc(0.75) within group (order by stay_us asc nulls first) as bigint) as p75_us,
        cast(percentile_disc(0.9) within group (order by stay_us asc nulls first) as bigint) as p90_us,
        cast(percentile_disc(0.95) within group (order by stay_us asc nulls first) as bigint) as p95_us
    from by_role
    group by stage_model, channel_role, channel, stage, stage_ordinal, next_stage

),

final as (

    select
        stage_model,
        channel_role,
        channel,
        stage,
        stage_ordinal,
        next_stage,
        journeys_continued,
        journeys_open,
        cast(total_us as double) / cast(1000000 as double) as total_seconds,
        cast(total_us as double) / cast(1000000 as double)
        / cast(nullif(journeys_continued, 0) as double) as mean_seconds,
        cast(p50_us as double) / cast(1000000 as double) as p50_seconds,
        cast(p75_us as double) / cast(1000000 as double) as p75_seconds,
        cast(p90_us as double) / cast(1000000 as double) as p90_seconds,
        cast(p95_us as double) / cast(1000000 as double) as p95_seconds
    from measured

)

select * from final

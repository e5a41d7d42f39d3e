-- int_journey_restarts: touchpoints that start a new journey although no long silence came before.
-- A journey restarts at a touchpoint in one of the restart stages, once the journey has reached the
-- restart's `after` stage (or a later one) and the cool-down since the last such touchpoint has passed.
-- Touchpoints that carry the journey's own key restart nothing.
-- Grain:  one row per source, event_id of a restarting touchpoint; empty when the project has no restart.
-- Reads:  int_touchpoints; seed_stages (stage_model, stage).
-- Params: $inactivity_us: longest gap inside a journey; $restart_after_ordinal: null without a restart;
--         $restart_cool_down_us; $stage_model: the project's own.
with

touchpoints as (

    select
        int_touchpoints.source,
        int_touchpoints.event_id,
        int_touchpoints.customer_id,
        int_touchpoints.occurred_us,
        int_touchpoints.stage_ordinal,
        coalesce(seed_stages.is_restart, false) as is_restart_stage,
        case
            when int_touchpoints.stage_ordinal >= $restart_after_ordinal then 1
            else 0
        end as is_past_after
    from int_touchpoints
    left join seed_stages
        on
            int_touchpoints.stage = seed_stages.stage
            and seed_stages.stage_model = $stage_model
    where
        $restart_after_ordinal is not null
        and int_touchpoints.journey_ref is null

),

with_gap as (

    select
        source,
        event_id,
        customer_id,
        occurred_us,
        stage_ordinal,
        is_restart_stage,
        is_past_after,
        occurred_us - lag(occurred_us) over (
            partition by customer_id
            order by
                occurred_us asc nulls first,
                stage_ordinal asc nulls first,
                source asc nulls first,
                event_id asc nulls first
        ) as gap_us
    from touchpoints

),

-- a stretch is what the silences alone would make a journey
with_stretch as (

    select
        source,
        event_id,
        customer_id,
        occurred_us,
        stage_ordinal,
        is_restart_stage,
        is_past_after,
        cast(sum(case when gap_us > $inactivity_us then 1 else 0 end) over (
            partition by customer_id
            order by
                occurred_us asc nulls first,
                stage_ordinal asc nulls first,
                source asc nulls first,
                event_id asc nulls first
            rows between unbounded preceding and current row
        ) as bigint) as stretch_number
    from with_gap

),

-- the touchpoints at or past `after` cut a stretch into blocks; nothing in a block but its first
-- candidate can restart, because the journey that it starts has not reached `after` yet
with_block as (

    select
        source,
        event_id,
        customer_id,
        occurred_us,
        stage_ordinal,
        is_restart_stage,
        stretch_number,
        cast(sum(is_past_after) over (
            partition by customer_id, stretch_number
            order by
                occurred_us asc nulls first,
                stage_ordinal asc nulls first,
                source asc nulls first,
                event_id asc nulls first
            rows between unbounded preceding and 1 preceding
        ) as bigint) as block_number,
        max(case when is_past_after = 1 then occurred_us end) over (
            partition by customer_id, stretch_number
            order by
                occurred_us asc nulls first,
                stage_ordinal asc nulls first,
                source asc nulls first,
                event_id asc nulls first
            rows between unbounded preceding and 1 preceding
        ) as past_after_us
    from with_stretch

),

candidates as (

    select
        source,
        event_id,
        cast(row_number() over (
            partition by customer_id, stretch_number, block_number
            order by
                occurred_us asc nulls first,
                stage_ordinal asc nulls first,
                source asc nulls first,
                event_id asc nulls first
        ) as bigint) as candidate_number
    from with_block
    where
        is_restart_stage
        and occurred_us - past_after_us >= $restart_cool_down_us

),

final as (

    select
        source,
        event_id
    from candidates
    where candidate_number = 1

)

select * from final

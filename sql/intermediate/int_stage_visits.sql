-- int_stage_visits: the runs of touchpoints in one stage, in the order a journey went through them.
-- A stage that is left and entered again has two visits. Touchpoints without a stage interrupt nothing.
-- Grain:  one row per journey_id, visit_number.
-- Reads:  int_journey_touchpoints (one row per touchpoint of a journey).
-- Params: none.
with

with_previous as (

    select
        journey_id,
        touchpoint_number,
        occurred_us,
        stage,
        stage_ordinal,
        lag(stage_ordinal) over (
            partition by journey_id
            order by touchpoint_number asc nulls first
        ) as previous_ordinal
    from int_journey_touchpoints
    where stage is not null

),

changes as (

    select
        journey_id,
        touchpoint_number,
        occurred_us,
        stage,
        stage_ordinal
    from with_previous
    where previous_ordinal is null or stage_ordinal <> previous_ordinal

),

final as (

    select
        journey_id,
        cast(row_number() over (
            partition by journey_id
            order by touchpoint_number asc nulls first
        ) as bigint) as visit_number,
        stage,
        stage_ordinal,
        touchpoint_number as entry_number,
        occurred_us as entered_us,
        -- null on the first visit: nothing was reached before
        max(stage_ordinal) over (
            partition by journey_id
            order by touchpoint_number asc nulls first
            rows between unbounded preceding and 1 preceding
        ) as furthest_before
    from changes

)

select * from final

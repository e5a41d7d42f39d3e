-- int_stage_visits: the runs of touchpoints in one stage, in the order a journey went through them.
-- A stage that is left and entered again has two visits. Touchpoints without a stage interrupt nothing.
-- Grain:  one row per stage_model, journey_id, visit_number.
-- Reads:  int_journey_touchpoints, int_further_touchpoints (one row per touchpoint of a journey, the second
--         for each further stage model).
-- Params: $stage_model: the project's own, whose stages int_journey_touchpoints has.
with

touchpoints as (

    select
        $stage_model as stage_model,
        journey_id,
        touchpoint_number,
        occurred_us,
        channel,
        stage,
        stage_ordinal
    from int_journey_touchpoints
    where stage is not null
    union all
    select
        stage_model,
        journey_id,
        touchpoint_number,
        occurred_us,
        channel,
        stage,
        stage_ordinal
    from int_further_touchpoints
    where stage is not null

),

with_previous as (

    select
        stage_model,
        journey_id,
        touchpoint_number,
        occurred_us,
        channel,
        stage,
        stage_ordinal,
        lag(stage_ordinal) over (
            partition by journey_id, stage_model
            order by touchpoint_number asc nulls first
        ) as previous_ordinal
    from touchpoints

),

changes as (

    select
        stage_model,
        journey_id,
        touchpoint_number,
        occurred_us,
        channel,
        stage,
        stage_ordinal
    from with_previous
    where previous_ordinal is null or stage_ordinal <> previous_ordinal

),

final as (

    select
        stage_model,
        journey_id,
        cast(row_number() over (
            partition by journey_id, stage_model
            order by touchpoint_number asc nulls first
        ) as bigint) as visit_number,
        stage,
        stage_ordinal,
        touchpoint_number as entry_number,
        occurred_us as entered_us,
        channel as entry_channel,
        -- null on the first visit: nothing was reached before
        max(stage_ordinal) over (
            partition by journey_id, stage_model
            order by touchpoint_number asc nulls first
            rows between unbounded preceding and 1 preceding
        ) as furthest_before,
        -- null on the last visit
        lead(stage) over (
            partition by journey_id, stage_model
            order by touchpoint_number asc nulls first
        ) as next_stage,
        lead(occurred_us) over (
            partition by journey_id, stage_model
            order by touchpoint_number asc nulls first
        ) as next_us
    from changes

)

select * from final

-- int_journey_exits: the last touchpoint of each journey that ended.
-- Grain:  one row per stage_model, journey_id: which touchpoint is the last one among equal times depends on
--         the stage model.
-- Reads:  int_journeys (journey_id); int_journey_touchpoints (journey_id, touchpoint_number);
--         int_further_touchpoints (stage_model, journey_id, touchpoint_number);
--         stg_touchpoints (source, event_id).
-- Params: $stage_model: the project's own.
with

ended as (

    select
        journey_id,
        touchpoints
    from int_journeys
    where is_ended

),

last_touchpoints as (

    select
        $stage_model as stage_model,
        int_journey_touchpoints.journey_id,
        int_journey_touchpoints.source,
        int_journey_touchpoints.event_id
    from int_journey_touchpoints
    inner join ended
        on
            int_journey_touchpoints.journey_id = ended.journey_id
            and int_journey_touchpoints.touchpoint_number = ended.touchpoints
    union all
    select
        int_further_touchpoints.stage_model,
        int_further_touchpoints.journey_id,
        int_further_touchpoints.source,
        int_further_touchpoints.event_id
    from int_further_touchpoints
    inner join ended
        on
            int_further_touchpoints.journey_id = ended.journey_id
            and int_further_touchpoints.touchpoint_number = ended.touchpoints

),

final as (

    select
        last_touchpoints.stage_model,
        last_touchpoints.journey_id,
        stg_touchpoints.event_name,
        coalesce(stg_touchpoints.page_path, '(none)') as page_path
    from last_touchpoints
    inner join stg_touchpoints
        on
            last_touchpoints.source = stg_touchpoints.source
            and last_touchpoints.event_id = stg_touchpoints.event_id

)

select * from final

-- int_journey_paths: each journey as one text, the names it went through in order: `awareness > purchase`.
-- stages: one name per run of touchpoints in one stage. events: one event name per touchpoint, repeats kept.
-- A path names 50 places at most; a longer one ends in ` > ...`. A `>` inside a name is doubled, so that no
-- two paths read the same.
-- The engines have no aggregate of texts in an order that is written alike, so places are put together ten
-- by ten, and then the tens.
-- Grain:  one row per stage_model, path_kind, journey_id; path_kind events has the project's own model only.
-- Reads:  int_stage_visits (stage_model, journey_id, visit_number); int_journey_touchpoints (journey_id,
--         touchpoint_number).
-- Params: $stage_model: the project's own.
with

-- the 51st place is kept to tell that a path is cut
places as (

    select
        stage_model,
        'stages' as path_kind,
        journey_id,
        visit_number as place,
        stage as name
    from int_stage_visits
    where visit_number <= 51
    union all
    select
        $stage_model as stage_model,
        'events' as path_kind,
        journey_id,
        touchpoint_number as place,
        event_name as name
    from int_journey_touchpoints
    where touchpoint_number <= 51

),

in_tens as (

    select
        stage_model,
        path_kind,
        journey_id,
        case
            when place <= 10 then 0
            when place <= 20 then 1
            when place <= 30 then 2
            when place <= 40 then 3
            when place <= 50 then 4
            else 5
        end as tens,
        place,
        name
    from places

),

with_names as (

    select
        stage_model,
        path_kind,
        journey_id,
        tens,
        max(place) as last_place,
        max(case when place - 10 * tens = 1 then name end) as name_1,
        max(case when place - 10 * tens = 2 then name end) as name_2,
        max(case when place - 10 * tens = 3 then name end) as name_3,
        max(case when place - 10 * tens = 4 then name end) as name_4,
        max(case when place - 10 * tens = 5 then name end) as name_5,
        max(case when place - 10 * tens = 6 then name end) as name_6,
        max(case when place - 10 * tens = 7 then name end) as name_7,
        max(case when place - 10 * tens = 8 then name end) as name_8,
        max(case when place - 10 * tens = 9 then name end) as name_9,
        max(case when place - 10 * tens = 10 then name end) as name_10
    from in_tens
    group by stage_model, path_kind, journey_id, tens

),

with_text as (

    select
        stage_model,
        path_kind,
        journey_id,
        tens,
        last_place,
        name_1 as first_name,
        coalesce(
            name_10, name_9, name_8, name_7, name_6, name_5, name_4, name_3, name_2, name_1
        ) as last_name,
        ' > ' || replace(name_1, '>', '>>')
        || coalesce(' > ' || replace(name_2, '>', '>>'), '')
        || coalesce(' > ' || replace(name_3, '>', '>>'), '')
        || coalesce(' > ' || replace(name_4, '>', '>>'), '')
        || coalesce(' > ' || replace(name_5, '>', '>>'), '')
        || coalesce(' > ' || replace(name_6, '>', '>>'), '')
        || coalesce(' > ' || replace(name_7, '>', '>>'), '')
        || coalesce(' > ' || replace(name_8, '>', '>>'), '')
        || coalesce(' > ' || replace(name_9, '>', '>>'), '')
        || coalesce(' > ' || replace(name_10, '>', '>>'), '') as ten_names
    from with_names

),

paths as (

    select
        stage_model,
        path_kind,
        journey_id,
        max(last_place) > 50 as is_cut,
        least(max(last_place), 50) as path_length,
        max(case when tens = 0 then first_name end) as path_start,
        max_by(last_name, tens) as path_end,
        max(case when tens = 0 then ten_names end)
        || coalesce(max(case when tens = 1 then ten_names end), '')
        || coalesce(max(case when tens = 2 then ten_names end), '')
        || coalesce(max(case when tens = 3 then ten_names end), '')
        || coalesce(max(case when tens = 4 then ten_names end), '')
        || coalesce(max(case when tens = 5 then ' > ...' end), '') as path
    from with_text
    group by stage_model, path_kind, journey_id

),

final as (

    select
        stage_model,
        path_kind,
        journey_id,
        -- every name has its separator in front, the first one too
        substring(path, 4) as path,
        path_length,
        path_start,
        case when not is_cut then path_end end as path_end,
        is_cut
    from paths

)

select * from final

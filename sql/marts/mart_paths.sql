-- mart_paths: the ways journeys went, and what came of the journeys that went each.
-- stages: runs of touchpoints in one stage, as in int_stage_visits; a stage entered again is named again.
-- events: the event name of every touchpoint, repeats kept.
-- Grain:  one row per stage_model, path_kind, path; path_kind events has the project's own model only.
-- Reads:  int_journey_paths (stage_model, path_kind, journey_id); int_journeys (journey_id).
-- Params: none.
with

counts as (

    select
        int_journey_paths.stage_model,
        int_journey_paths.path_kind,
        int_journey_paths.path,
        max(int_journey_paths.path_length) as path_length,
        max(int_journey_paths.path_start) as path_start,
        max(int_journey_paths.path_end) as path_end,
        max(int_journey_paths.is_cut) as is_cut,
        count(*) as journeys,
        cast(sum(case when int_journeys.state = 'converted' then 1 else 0 end) as bigint)
            as journeys_converted,
        cast(sum(case when int_journeys.state = 'lost' then 1 else 0 end) as bigint) as journeys_lost,
        cast(percentile_disc(0.5) within group (order by int_journeys.touchpoints asc nulls first) as bigint)
            as median_touchpoints,
        cast(
            percentile_disc(0.5) within group (
                order by int_journeys.last_us - int_journeys.entered_us asc nulls first
            ) as bigint
        ) as median_us
    from int_journey_paths
    inner join int_journeys
        on int_journey_paths.journey_id = int_journeys.journey_id
    group by int_journey_paths.stage_model, int_journey_paths.path_kind, int_journey_paths.path

),

with_rank as (

    select
        stage_model,
        path_kind,
        path,
        path_length,
        path_start,
        path_end,
        is_cut,
        journeys,
        journeys_converted,
        journeys_lost,
        median_touchpoints,
        median_us,
        cast(row_number() over (
            partition by stage_model, path_kind
            order by journeys desc nulls last, path asc nulls first
        ) as bigint) as path_rank,
        cast(sum(journeys) over (partition by stage_model, path_kind) as bigint) as journeys_in_all
    from counts

),

final as (

    select
        stage_model,
        path_kind,
        path,
        path_rank,
        path_length,
        path_start,
        path_end,
        is_cut,
        journeys,
        cast(journeys as double) / cast(journeys_in_all as double) as journeys_share,
        journeys_converted,
        journeys_lost,
        journeys - journeys_converted - journeys_lost as journeys_open,
        cast(journeys_converted as double) / cast(journeys as double) as conversion_rate,
        median_touchpoints,
        cast(median_us as double) / cast(1000000 as double) as median_seconds
    from with_rank

)

select * from final

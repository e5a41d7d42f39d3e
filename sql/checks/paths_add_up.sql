-- fail: journeys without a path, or with two, in some stage model and kind of path.
with

expected as (

    select
        stage_model,
        'stages' as path_kind,
        count(distinct journey_id) as journeys
    from mart_journey_stages
    group by stage_model
    union all
    select
        stage_model,
        'events' as path_kind,
        count(*) as journeys
    from mart_journeys
    group by stage_model

),

found as (

    select
        stage_model,
        path_kind,
        cast(sum(journeys) as bigint) as journeys
    from mart_paths
    group by stage_model, path_kind

),

final as (

    select
        coalesce(expected.stage_model, found.stage_model) as stage_model,
        coalesce(expected.path_kind, found.path_kind) as path_kind,
        coalesce(found.journeys, 0) as journeys_found,
        coalesce(expected.journeys, 0) as journeys_expected,
        'the paths do not hold every journey once' as reason
    from expected
    full outer join found
        on
            expected.stage_model = found.stage_model
            and expected.path_kind = found.path_kind
    where coalesce(expected.journeys, 0) <> coalesce(found.journeys, 0)

)

select * from final

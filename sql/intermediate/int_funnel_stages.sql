-- int_funnel_stages: the stages of every funnel, and which comes last in it.
-- Only stages that some rule gives can be seen in the data; the others are in no funnel. The closed funnel
-- holds the required ones of them.
-- Grain:  one row per stage_model, funnel_kind, stage.
-- Reads:  seed_stages (stage_model, stage).
-- Params: none.
with

funnel_kinds as (

    select 'touched' as funnel_kind
    union all
    select 'progressive' as funnel_kind
    union all
    select 'closed' as funnel_kind

),

in_funnel as (

    select
        seed_stages.stage_model,
        funnel_kinds.funnel_kind,
        seed_stages.stage,
        seed_stages.stage_ordinal
    from seed_stages
    cross join funnel_kinds
    where
        seed_stages.is_observed
        and (seed_stages.is_required or funnel_kinds.funnel_kind <> 'closed')

),

final as (

    select
        stage_model,
        funnel_kind,
        stage,
        stage_ordinal,
        stage_ordinal = max(stage_ordinal) over (
            partition by stage_model, funnel_kind
            order by stage_ordinal asc nulls first
            rows between unbounded preceding and unbounded following
        ) as is_last
    from in_funnel

)

select * from final

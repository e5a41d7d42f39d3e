-- int_stage_horizons: within which time after reaching a stage most journeys that go on have gone on.
-- The shortest of session timeout, one, three and seven days that holds more than half of the continuations
-- of journeys that reached the stage lately; seven days where none does. The last stage of a funnel has none.
-- Grain:  one row per stage_model, funnel_kind, stage.
-- Reads:  int_journey_stages (stage_model, journey_id, funnel_kind, stage); int_funnel_stages (stage_model,
--         funnel_kind, stage).
-- Params: $trend_from_us: since when journeys are looked at; $session_timeout_us.
with

waits as (

    select
        stage_model,
        funnel_kind,
        stage,
        left_us - entered_us as waited_us
    from int_journey_stages
    where entered_us >= $trend_from_us

),

counts as (

    select
        stage_model,
        funnel_kind,
        stage,
        count(waited_us) as continued,
        cast(sum(case when waited_us <= $session_timeout_us then 1 else 0 end) as bigint) as in_session,
        cast(sum(case when waited_us <= 86400000000 then 1 else 0 end) as bigint) as in_one_day,
        cast(sum(case when waited_us <= 259200000000 then 1 else 0 end) as bigint) as in_three_days
    from waits
    group by stage_model, funnel_kind, stage

),

final as (

    select
        int_funnel_stages.stage_model,
        int_funnel_stages.funnel_kind,
        int_funnel_stages.stage,
        cast(case
            when counts.in_session * 2 > counts.continued then $session_timeout_us
            when counts.in_one_day * 2 > counts.continued then 86400000000
            when counts.in_three_days * 2 > counts.continued then 259200000000
            else 604800000000
        end as bigint) as horizon_us
    from int_funnel_stages
    left join counts
        on
            int_funnel_stages.stage_model = counts.stage_model
            and int_funnel_stages.funnel_kind = counts.funnel_kind
            and int_funnel_stages.stage = counts.stage
    where not int_funnel_stages.is_last

)

select * from final

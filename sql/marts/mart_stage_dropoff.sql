-- mart_stage_dropoff: where journeys stop, per stage and channel, over the whole report period.
-- Grain:  one row per stage_model, funnel_kind, channel_role, channel, stage.
-- Reads:  mart_stage_funnel (entry_date and the grain above); int_funnel_stages
--         (stage_model, funnel_kind, stage); int_stage_continuations (the grain above, but the last stages);
--         int_stage_changes (stage_model, channel_role, channel, stage).
-- Params: none.
with

summed as (

    select
        stage_model,
        funnel_kind,
        channel_role,
        channel,
        stage,
        stage_ordinal,
        cast(sum(journeys_entered) as bigint) as journeys_entered,
        cast(sum(journeys_reached) as bigint) as journeys_reached,
        cast(sum(journeys_continued) as bigint) as journeys_continued,
        cast(sum(journeys_dropped) as bigint) as journeys_dropped,
        cast(sum(journeys_open) as bigint) as journeys_open
    from mart_stage_funnel
    group by stage_model, funnel_kind, channel_role, channel, stage, stage_ordinal

),

-- whether any journey can have ended by now: while none has, that nobody dropped says nothing
ended as (

    select
        stage_model,
        funnel_kind,
        cast(sum(journeys_dropped) as bigint) > 0
        or cast(sum(journeys_open) as bigint) = 0 as is_known
    from summed
    group by stage_model, funnel_kind

),

-- open journeys may still go on, so they are in neither part of the rate; nobody drops off the last stage
with_rate as (

    select
        summed.stage_model,
        summed.funnel_kind,
        summed.channel_role,
        summed.channel,
        summed.stage,
        summed.stage_ordinal,
        summed.journeys_entered,
        summed.journeys_reached,
        summed.journeys_continued,
        summed.journeys_dropped,
        summed.journeys_open,
        case
            when
                ended.is_known
                and not int_funnel_stages.is_last
                and summed.journeys_continued + summed.journeys_dropped > 0
                then cast(summed.journeys_continued + summed.journeys_dropped as double)
        end as journeys_decided
    from summed
    inner join ended
        on
            summed.stage_model = ended.stage_model
            and summed.funnel_kind = ended.funnel_kind
    inner join int_funnel_stages
        on
            summed.stage_model = int_funnel_stages.stage_model
            and summed.funnel_kind = int_funnel_stages.funnel_kind
            and summed.stage = int_funnel_stages.stage

),

with_share as (

    select
        stage_model,
        funnel_kind,
        channel_role,
        channel,
        stage,
        stage_ordinal,
        journeys_entered,
        journeys_reached,
        journeys_continued,
        journeys_dropped,
        journeys_open,
        journeys_decided,
        cast(journeys_dropped as double) / cast(journeys_decided as double) as drop_off_rate
    from with_rate

),

-- Wilson's score interval at 95 %: E. B. Wilson, Probable inference, JASA 22 (1927); z = 1.959963984540054
with_interval as (

    select
        stage_model,
        funnel_kind,
        channel_role,
        channel,
        stage,
        stage_ordinal,
        journeys_entered,
        journeys_reached,
        journeys_continued,
        journeys_dropped,
        journeys_open,
        drop_off_rate,
        (drop_off_rate + 1.9207294103470627e0 / cast(journeys_decided as double))
        / cast(1.0e0 + 3.8414588206941254e0 / cast(journeys_decided as double) as double)
            as wilson_centre,
        1.959963984540054e0 * sqrt(
            drop_off_rate * (1.0e0 - drop_off_rate) / cast(journeys_decided as double)
            + 0.9603647051735313e0 / cast(journeys_decided * journeys_decided as double)
        )
        / cast(1.0e0 + 3.8414588206941254e0 / cast(journeys_decided as double) as double)
            as wilson_half_width
    from with_share

),

final as (

    select
        with_interval.stage_model,
        with_interval.funnel_kind,
        with_interval.channel_role,
        with_interval.channel,
        with_interval.stage,
        with_interval.stage_ordinal,
        with_interval.journeys_entered,
        with_interval.journeys_reached,
        with_interval.journeys_continued,
        with_interval.journeys_dropped,
        with_interval.journeys_open,
        cast(with_interval.journeys_reached as double)
        / cast(nullif(with_interval.journeys_entered, 0) as double) as conversion_rate,
        with_interval.drop_off_rate,
        -- greatest and least would turn a missing rate into a bound; at 0 and 1 the bound is the rate itself,
        -- which rounding may miss
        case
            when with_interval.drop_off_rate is not null
                then least(
                    greatest(with_interval.wilson_centre - with_interval.wilson_half_width, 0.0e0),
                    with_interval.drop_off_rate
                )
        end as drop_off_rate_low,
        case
            when with_interval.drop_off_rate is not null
                then greatest(
                    least(with_interval.wilson_centre + with_interval.wilson_half_width, 1.0e0),
                    with_interval.drop_off_rate
                )
        end as drop_off_rate_high,
        int_stage_continuations.continuation_rate,
        int_stage_continuations.continuation_rate_low,
        int_stage_continuations.continuation_rate_high,
        int_stage_changes.early_drop_off_rate,
        int_stage_changes.baseline_rate,
        int_stage_changes.change,
        int_stage_changes.change_low,
        int_stage_changes.change_high,
        int_stage_changes.p_value,
        int_stage_changes.q_value,
        coalesce(int_stage_changes.is_alert, false) as is_alert,
        case when int_stage_changes.is_alert then int_stage_changes.first_date end as first_date,
        case when int_stage_changes.is_alert then int_stage_changes.last_date end as last_date,
        case when int_stage_changes.is_alert then int_stage_changes.excess_drops end as excess_drops,
        case when int_stage_changes.is_alert then int_stage_changes.value_at_risk end as value_at_risk
    from with_interval
    left join int_stage_continuations
        on
            with_interval.stage_model = int_stage_continuations.stage_model
            and with_interval.funnel_kind = int_stage_continuations.funnel_kind
            and with_interval.channel_role = int_stage_continuations.channel_role
            and with_interval.channel = int_stage_continuations.channel
            and with_interval.stage = int_stage_continuations.stage
    left join int_stage_changes
        on
            with_interval.funnel_kind = 'touched'
            and with_interval.stage_model = int_stage_changes.stage_model
            and with_interval.channel_role = int_stage_changes.channel_role
            and with_interval.channel = int_stage_changes.channel
            and with_interval.stage = int_stage_changes.stage

)

select * from final

-- int_journey_stages: which stages each journey reached, when, through which channel, and what came of it.
-- touched: the journey has a touchpoint in the stage; it continued when a later stage follows.
-- progressive: it has one in this stage or a later one; stages may be skipped, and time never runs back.
-- closed: it has one in every required stage up to this one, in order, inside the conversion window. As
-- long as the journey goes on, another chain of them may begin.
-- Grain:  one row per stage_model, journey_id, funnel_kind, stage reached.
-- Reads:  int_stage_visits (stage_model, journey_id, visit_number); int_closed_entries (stage_model,
--         journey_id, stage); int_journeys (journey_id); int_journey_touchpoints (journey_id,
--         touchpoint_number); int_further_touchpoints (stage_model, journey_id, touchpoint_number);
--         int_funnel_stages (stage_model, funnel_kind, stage).
-- Params: $stage_model: the project's own.
with

touched_entries as (

    select
        stage_model,
        journey_id,
        stage,
        stage_ordinal,
        min(entry_number) as entry_number,
        min(entered_us) as entered_us,
        min_by(entry_channel, entry_number) as entry_channel
    from int_stage_visits
    group by stage_model, journey_id, stage, stage_ordinal

),

-- the first visit to a later stage after the entry; that it starts a visit is enough to look for,
-- because everything between the entry and it lies in this stage or an earlier one
touched_exits as (

    select
        touched_entries.stage_model,
        touched_entries.journey_id,
        touched_entries.stage,
        min(int_stage_visits.entry_number) as left_number,
        min(int_stage_visits.entered_us) as left_us
    from touched_entries
    inner join int_stage_visits
        on
            touched_entries.stage_model = int_stage_visits.stage_model
            and touched_entries.journey_id = int_stage_visits.journey_id
            and touched_entries.entry_number < int_stage_visits.entry_number
            and touched_entries.stage_ordinal < int_stage_visits.stage_ordinal
    group by touched_entries.stage_model, touched_entries.journey_id, touched_entries.stage

),

touched as (

    select
        touched_entries.stage_model,
        touched_entries.journey_id,
        'touched' as funnel_kind,
        touched_entries.stage,
        touched_entries.stage_ordinal,
        false as is_skipped,
        touched_entries.entry_number,
        touched_entries.entered_us,
        touched_entries.entry_channel,
        touched_exits.left_number,
        touched_exits.left_us
    from touched_entries
    left join touched_exits
        on
            touched_entries.stage_model = touched_exits.stage_model
            and touched_entries.journey_id = touched_exits.journey_id
            and touched_entries.stage = touched_exits.stage

),

-- a visit further than all before it enters its own stage and every stage skipped on the way; the chain of
-- the closed funnel says itself what it enters
chain_entries as (

    select
        int_stage_visits.stage_model,
        int_stage_visits.journey_id,
        'progressive' as funnel_kind,
        int_funnel_stages.stage,
        int_funnel_stages.stage_ordinal,
        int_funnel_stages.stage_ordinal <> int_stage_visits.stage_ordinal as is_skipped,
        int_stage_visits.entry_number,
        int_stage_visits.entered_us,
        int_stage_visits.entry_channel
    from int_stage_visits
    inner join int_funnel_stages
        on
            int_stage_visits.stage_model = int_funnel_stages.stage_model
            and int_funnel_stages.funnel_kind = 'progressive'
            and int_stage_visits.stage_ordinal >= int_funnel_stages.stage_ordinal
            and coalesce(int_stage_visits.furthest_before, 0) < int_funnel_stages.stage_ordinal
    union all
    select
        stage_model,
        journey_id,
        'closed' as funnel_kind,
        stage,
        stage_ordinal,
        false as is_skipped,
        entry_number,
        entered_us,
        entry_channel
    from int_closed_entries

),

-- in a chain a stage is left by entering the next one
chains as (

    select
        stage_model,
        journey_id,
        funnel_kind,
        stage,
        stage_ordinal,
        is_skipped,
        entry_number,
        entered_us,
        entry_channel,
        lead(entry_number) over (
            partition by journey_id, stage_model, funnel_kind
            order by stage_ordinal asc nulls first
        ) as left_number,
        lead(entered_us) over (
            partition by journey_id, stage_model, funnel_kind
            order by stage_ordinal asc nulls first
        ) as left_us
    from chain_entries

),

entries as (

    select
        stage_model,
        journey_id,
        funnel_kind,
        stage,
        stage_ordinal,
        is_skipped,
        entry_number,
        entered_us,
        entry_channel,
        left_number,
        left_us
    from touched
    union all
    select
        stage_model,
        journey_id,
        funnel_kind,
        stage,
        stage_ordinal,
        is_skipped,
        entry_number,
        entered_us,
        entry_channel,
        left_number,
        left_us
    from chains

),

with_outcome as (

    select
        entries.stage_model,
        entries.journey_id,
        int_journeys.customer_id,
        int_journeys.entry_date,
        int_journeys.last_touchpoint_date,
        int_journeys.first_channel,
        entries.funnel_kind,
        entries.stage,
        entries.stage_ordinal,
        entries.is_skipped,
        entries.entered_us,
        entries.entry_channel,
        entries.left_us,
        coalesce(entries.left_number, int_journeys.touchpoints + 1) - entries.entry_number as touchpoints,
        -- a stage that was only passed through is left by the touchpoint that entered it
        greatest(
            entries.entry_number,
            coalesce(entries.left_number, int_journeys.touchpoints + 1) - 1
        ) as last_number,
        case
            -- nothing follows the last stage: who is there has come all the way
            when int_funnel_stages.is_last or entries.left_number is not null then 'continued'
            when int_journeys.is_ended then 'dropped'
            else 'open'
        end as outcome
    from entries
    inner join int_funnel_stages
        on
            entries.stage_model = int_funnel_stages.stage_model
            and entries.funnel_kind = int_funnel_stages.funnel_kind
            and entries.stage = int_funnel_stages.stage
    inner join int_journeys
        on entries.journey_id = int_journeys.journey_id

),

touchpoints as (

    select
        $stage_model as stage_model,
        journey_id,
        touchpoint_number,
        channel
    from int_journey_touchpoints
    union all
    select
        stage_model,
        journey_id,
        touchpoint_number,
        channel
    from int_further_touchpoints

),

final as (

    select
        with_outcome.stage_model,
        with_outcome.journey_id,
        with_outcome.customer_id,
        with_outcome.entry_date,
        with_outcome.last_touchpoint_date,
        with_outcome.funnel_kind,
        with_outcome.stage,
        with_outcome.stage_ordinal,
        with_outcome.is_skipped,
        with_outcome.entered_us,
        with_outcome.left_us,
        with_outcome.touchpoints,
        with_outcome.first_channel,
        with_outcome.entry_channel,
        touchpoints.channel as last_channel,
        with_outcome.outcome
    from with_outcome
    inner join touchpoints
        on
            with_outcome.stage_model = touchpoints.stage_model
            and with_outcome.journey_id = touchpoints.journey_id
            and with_outcome.last_number = touchpoints.touchpoint_number

)

select * from final

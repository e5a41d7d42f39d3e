-- int_journeys: each journey from its first to its last touchpoint, and its state on the as-of day.
-- Grain:  one row per journey_id.
-- Reads:  int_journey_touchpoints (one row per touchpoint of a journey).
-- Params: $as_of_us: end of the as-of day; $inactivity_us: longest gap inside a journey;
--         $conversion_stage; $conversion_window_us: from the first touchpoint, the limit included.
with

journeys as (

    select
        journey_id,
        customer_id,
        journey_number,
        min(occurred_us) as entered_us,
        max(occurred_us) as last_us,
        count(*) as touchpoints,
        count(distinct session_number) as sessions,
        max(stage_ordinal) as furthest_ordinal,
        cast(sum(revenue) as decimal(18, 4)) as revenue,
        min(case when stage = $conversion_stage then occurred_us end) as first_conversion_us
    from int_journey_touchpoints
    group by journey_id, customer_id, journey_number

),

with_conversion as (

    select
        journey_id,
        customer_id,
        journey_number,
        entered_us,
        last_us,
        touchpoints,
        sessions,
        furthest_ordinal,
        revenue,
        case
            when first_conversion_us - entered_us <= $conversion_window_us then first_conversion_us
        end as converted_us,
        lead(entered_us) over (
            partition by customer_id
            order by journey_number asc nulls first
        ) as next_entered_us
    from journeys

),

with_end as (

    select
        journey_id,
        customer_id,
        journey_number,
        entered_us,
        last_us,
        touchpoints,
        sessions,
        furthest_ordinal,
        revenue,
        converted_us,
        -- over: another journey has begun, or the silence is already too long for this one to go on
        next_entered_us is not null or $as_of_us - last_us > $inactivity_us as is_ended
    from with_conversion

),

final as (

    select
        with_end.journey_id,
        with_end.customer_id,
        with_end.journey_number,
        with_end.entered_us,
        first_touchpoints.occurred_date as entry_date,
        with_end.last_us,
        with_end.touchpoints,
        with_end.sessions,
        with_end.furthest_ordinal,
        first_touchpoints.channel as first_channel,
        last_touchpoints.channel as last_channel,
        with_end.revenue,
        with_end.converted_us,
        with_end.is_ended,
        case
            when with_end.converted_us is not null then 'converted'
            when with_end.is_ended then 'lost'
            when $as_of_us - with_end.entered_us > $conversion_window_us then 'lost'
            else 'open'
        end as state
    from with_end
    inner join int_journey_touchpoints as first_touchpoints
        on
            with_end.journey_id = first_touchpoints.journey_id
            and first_touchpoints.touchpoint_number = 1
    inner join int_journey_touchpoints as last_touchpoints
        on
            with_end.journey_id = last_touchpoints.journey_id
            and with_end.touchpoints = last_touchpoints.touchpoint_number

)

select * from final

-- int_anonymous_events: on an anonymous id with several known ids (a shared device), whose each event is.
-- An event without a known id goes to the known id most recently seen on the anonymous id at or before it,
-- else to the first one seen after it. Seen at the same instant counts as before.
-- Grain:  one row per source, event_id of an event without a known id; those on an anonymous id with one
--         known id, or none, are left out.
-- Reads:  stg_events (source, event_id); int_anonymous_links (one row per anonymous_ref, known_ref).
-- Params: none.
with

shared_ids as (

    select anonymous_ref
    from int_anonymous_links
    where known_ids > 1
    group by anonymous_ref

),

shared_events as (

    select
        stg_events.source,
        stg_events.event_id,
        stg_events.occurred_us,
        stg_events.anonymous_ref,
        stg_events.customer_ref as known_ref,
        case when stg_events.customer_ref is null then 0 else 1 end as is_sighting
    from stg_events
    inner join shared_ids
        on stg_events.anonymous_ref = shared_ids.anonymous_ref

),

-- a sighting has its own number; any other event that of the last sighting before it, 0 when there is none
numbered as (

    select
        source,
        event_id,
        anonymous_ref,
        known_ref,
        is_sighting,
        cast(sum(is_sighting) over (
            partition by anonymous_ref
            order by
                occurred_us asc nulls first,
                is_sighting desc nulls last,
                source asc nulls first,
                event_id asc nulls first
            rows between unbounded preceding and current row
        ) as bigint) as sighting_number
    from shared_events

),

final as (

    select
        numbered.source,
        numbered.event_id,
        numbered.anonymous_ref,
        sightings.known_ref,
        int_anonymous_links.customer_id
    from numbered
    inner join numbered as sightings
        on
            numbered.anonymous_ref = sightings.anonymous_ref
            and greatest(numbered.sighting_number, 1) = sightings.sighting_number
            and sightings.is_sighting = 1
    inner join int_anonymous_links
        on
            sightings.anonymous_ref = int_anonymous_links.anonymous_ref
            and sightings.known_ref = int_anonymous_links.known_ref
    where numbered.is_sighting = 0

)

select * from final

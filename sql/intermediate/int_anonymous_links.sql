-- int_anonymous_links: the known ids seen on each anonymous id, that is, together with it in one event.
-- Grain:  one row per anonymous_ref, known_ref; an anonymous id never seen with a known one has none.
-- Reads:  stg_events (source, event_id); int_aliased_ids (one row per known id that alias events name).
-- Params: none.
with

sightings as (

    select
        anonymous_ref,
        customer_ref as known_ref,
        min(occurred_us) as linked_us
    from stg_events
    where
        anonymous_ref is not null
        and customer_ref is not null
    group by anonymous_ref, customer_ref

),

with_customer as (

    select
        sightings.anonymous_ref,
        sightings.known_ref,
        coalesce(int_aliased_ids.customer_id, sightings.known_ref) as customer_id,
        sightings.linked_us
    from sightings
    left join int_aliased_ids
        on sightings.known_ref = int_aliased_ids.known_ref

),

anonymous_ids as (

    select
        anonymous_ref,
        count(*) as known_ids,
        count(distinct customer_id) as customers
    from with_customer
    group by anonymous_ref

),

final as (

    select
        with_customer.anonymous_ref,
        with_customer.known_ref,
        with_customer.customer_id,
        with_customer.linked_us,
        anonymous_ids.known_ids,
        anonymous_ids.customers
    from with_customer
    inner join anonymous_ids
        on with_customer.anonymous_ref = anonymous_ids.anonymous_ref

)

select * from final

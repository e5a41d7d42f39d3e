-- mart_identity_audit: every link between ids that decides about a customer, and what it changes.
-- Grain:  one row per rule, customer_id, id_kind, id; a group of known ids above the limit is one row in all.
-- Reads:  stg_touchpoints (source, event_id); int_aliased_ids (one row per known id that alias events
--         name); int_anonymous_links (one row per anonymous_ref, known_ref); int_anonymous_events
--         (source, event_id).
-- Params: none.
with

anonymous_counts as (

    select
        anonymous_ref,
        customer_id,
        count(*) as events_moved
    from stg_touchpoints
    where customer_ref is null
    group by anonymous_ref, customer_id

),

anonymous_links as (

    select
        anonymous_ref,
        customer_id,
        customers,
        min(linked_us) as linked_us
    from int_anonymous_links
    group by anonymous_ref, customer_id, customers

),

-- what a known id brings to its customer: its own events, and those of anonymous ids that came through it
events_by_known_id as (

    select
        customer_ref as known_ref,
        count(*) as events_moved
    from stg_touchpoints
    where customer_ref is not null
    group by customer_ref
    union all
    select
        int_anonymous_links.known_ref,
        anonymous_counts.events_moved
    from int_anonymous_links
    inner join anonymous_counts
        on int_anonymous_links.anonymous_ref = anonymous_counts.anonymous_ref
    where int_anonymous_links.known_ids = 1
    union all
    select
        known_ref,
        count(*) as events_moved
    from int_anonymous_events
    group by known_ref

),

known_counts as (

    select
        known_ref,
        cast(sum(events_moved) as bigint) as events_moved
    from events_by_known_id
    group by known_ref

),

final as (

    select
        'alias' as rule,
        int_aliased_ids.customer_id,
        'known' as id_kind,
        int_aliased_ids.known_ref as id,
        timestamp_micros(int_aliased_ids.linked_us) as linked_at,
        coalesce(known_counts.events_moved, 0) as events_moved,
        int_aliased_ids.ids_in_group,
        true as is_merged
    from int_aliased_ids
    left join known_counts
        on int_aliased_ids.known_ref = known_counts.known_ref
    where
        int_aliased_ids.is_merged
        and int_aliased_ids.known_ref <> int_aliased_ids.customer_id
    union all
    select
        'too_many_ids' as rule,
        first_ref as customer_id,
        'known' as id_kind,
        first_ref as id,
        timestamp_micros(min(linked_us)) as linked_at,
        cast(0 as bigint) as events_moved,
        ids_in_group,
        false as is_merged
    from int_aliased_ids
    where not is_merged
    group by first_ref, ids_in_group
    union all
    select
        case when anonymous_links.customers = 1 then 'anonymous_id' else 'shared_device' end as rule,
        anonymous_links.customer_id,
        'anonymous' as id_kind,
        anonymous_links.anonymous_ref as id,
        timestamp_micros(anonymous_links.linked_us) as linked_at,
        coalesce(anonymous_counts.events_moved, 0) as events_moved,
        anonymous_links.customers as ids_in_group,
        true as is_merged
    from anonymous_links
    left join anonymous_counts
        on
            anonymous_links.anonymous_ref = anonymous_counts.anonymous_ref
            and anonymous_links.customer_id = anonymous_counts.customer_id

)

select * from final

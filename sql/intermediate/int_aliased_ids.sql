-- int_aliased_ids: the customer of each known id that alias events join to others.
-- The customer of a group is its id seen first: ids that join later are newer as a rule, so they take the
-- customer's name and never give it theirs. (The smallest id as text would give a customer of many years
-- another name, and its journeys another journey_id, whenever a smaller id joins.) When two old customers
-- turn out to be one, the one that came later is renamed. Only an event that arrives late and is older than
-- all others of its group can change the choice.
-- Grain:  one row per known_ref; an id that no alias event names has none, and is its own customer.
-- Reads:  int_alias_groups (one row per known_ref: connected components of the edges); int_alias_edges
--         (low_ref, high_ref); stg_events (source, event_id).
-- Params: $max_ids: most known ids of one customer; a group with more is not merged at all.
with

edge_ends as (

    select
        low_ref as known_ref,
        linked_us
    from int_alias_edges
    union all
    select
        high_ref as known_ref,
        linked_us
    from int_alias_edges

),

first_aliases as (

    select
        known_ref,
        min(linked_us) as linked_us
    from edge_ends
    group by known_ref

),

first_events as (

    select
        int_alias_groups.known_ref,
        min(stg_events.occurred_us) as occurred_us
    from int_alias_groups
    inner join stg_events
        on int_alias_groups.known_ref = stg_events.customer_ref
    group by int_alias_groups.known_ref

),

-- an id may be named by alias events alone and never have an event of its own
members as (

    select
        int_alias_groups.known_ref,
        int_alias_groups.group_ref,
        first_aliases.linked_us,
        least(
            first_aliases.linked_us,
            coalesce(first_events.occurred_us, first_aliases.linked_us)
        ) as seen_us
    from int_alias_groups
    inner join first_aliases
        on int_alias_groups.known_ref = first_aliases.known_ref
    left join first_events
        on int_alias_groups.known_ref = first_events.known_ref

),

numbered as (

    select
        group_ref,
        known_ref,
        cast(row_number() over (
            partition by group_ref
            order by
                seen_us asc nulls first,
                known_ref asc nulls first
        ) as bigint) as member_number
    from members

),

alias_groups as (

    select
        group_ref,
        max(case when member_number = 1 then known_ref end) as first_ref,
        count(*) as ids_in_group,
        count(*) <= $max_ids as is_merged
    from numbered
    group by group_ref

),

final as (

    select
        members.known_ref,
        case
            when alias_groups.is_merged then alias_groups.first_ref
            else members.known_ref
        end as customer_id,
        alias_groups.first_ref,
        members.linked_us,
        alias_groups.ids_in_group,
        alias_groups.is_merged
    from members
    inner join alias_groups
        on members.group_ref = alias_groups.group_ref

)

select * from final

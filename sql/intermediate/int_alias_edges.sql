-- int_alias_edges: the pairs of known ids that alias events join, each once, and since when.
-- Grain:  one row per low_ref, high_ref; low_ref comes first as text, so the direction makes no difference.
-- Reads:  stg_events (source, event_id).
-- Params: none.
with

final as (

    select
        least(customer_ref, alias_ref) as low_ref,
        greatest(customer_ref, alias_ref) as high_ref,
        min(occurred_us) as linked_us
    from stg_events
    -- an id joined to itself joins nothing
    where customer_ref <> alias_ref
    group by least(customer_ref, alias_ref), greatest(customer_ref, alias_ref)

)

select * from final

-- fail: touchpoints before 1990, or of an instant that has no local day: such a one would be in no mart.
with

days_known as (

    select
        min(from_us) as from_us,
        max(to_us) as to_us
    from seed_utc_offsets

),

final as (

    select
        stg_touchpoints.source,
        stg_touchpoints.event_id,
        stg_touchpoints.occurred_us,
        'the touchpoint has no day' as reason
    from stg_touchpoints
    cross join days_known
    where
        stg_touchpoints.occurred_us < 631152000000000
        or stg_touchpoints.occurred_us < days_known.from_us
        or stg_touchpoints.occurred_us >= days_known.to_us

)

select * from final

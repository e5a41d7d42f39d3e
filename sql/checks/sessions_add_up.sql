-- fail: sessions whose touchpoints in mart_touchpoints are not those that mart_sessions counts.
with

counted as (

    select
        customer_id,
        session_number,
        count(*) as touchpoints
    from mart_touchpoints
    group by customer_id, session_number

),

final as (

    select
        coalesce(counted.customer_id, mart_sessions.customer_id) as customer_id,
        coalesce(counted.session_number, mart_sessions.session_number) as session_number,
        counted.touchpoints as touchpoints_found,
        mart_sessions.touchpoints as touchpoints_counted,
        'the touchpoints of the session are not those it counts' as reason
    from counted
    full outer join mart_sessions
        on
            counted.customer_id = mart_sessions.customer_id
            and counted.session_number = mart_sessions.session_number
    where
        counted.touchpoints is null
        or mart_sessions.touchpoints is null
        or counted.touchpoints <> mart_sessions.touchpoints

)

select * from final

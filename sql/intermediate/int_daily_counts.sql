-- int_daily_counts: what came in by local hour, event name and channel, and how much of it carries a value.
-- Grain:  one row per source, local_hour_us, event_name, channel; of the days that the learned gates look at.
-- Reads:  stg_touchpoints; seed_utc_offsets (one row per stretch of time with one UTC offset).
-- Params: $counted_from_us, $counted_to_us: the days that may be judged and those before them; the latter
--         instant is not included.
with

local_times as (

    select
        stg_touchpoints.source,
        stg_touchpoints.occurred_us + seed_utc_offsets.offset_us as local_us,
        stg_touchpoints.event_name,
        stg_touchpoints.channel,
        stg_touchpoints.customer_ref,
        stg_touchpoints.anonymous_ref,
        stg_touchpoints.session_ref,
        stg_touchpoints.utm_source,
        stg_touchpoints.utm_medium,
        stg_touchpoints.utm_campaign,
        stg_touchpoints.referrer_host,
        stg_touchpoints.page_path,
        stg_touchpoints.device,
        stg_touchpoints.country,
        stg_touchpoints.currency,
        stg_touchpoints.score,
        stg_touchpoints.revenue
    from stg_touchpoints
    inner join seed_utc_offsets
        on
            stg_touchpoints.occurred_us >= seed_utc_offsets.from_us
            and stg_touchpoints.occurred_us < seed_utc_offsets.to_us
    where
        (
            stg_touchpoints.occurred_us >= $counted_from_us
            and stg_touchpoints.occurred_us < $counted_to_us
        )
        -- and the same a year before: 440 to 362 days
        or (
            stg_touchpoints.occurred_us >= $counted_to_us - 38016000000000
            and stg_touchpoints.occurred_us < $counted_to_us - 31276800000000
        )

),

final as (

    select
        source,
        local_us - local_us % 3600000000 as local_hour_us,
        event_name,
        channel,
        count(*) as events,
        max(local_us) as last_local_us,
        count(customer_ref) as customer_refs,
        count(anonymous_ref) as anonymous_refs,
        count(session_ref) as session_refs,
        count(utm_source) as utm_sources,
        count(utm_medium) as utm_mediums,
        count(utm_campaign) as utm_campaigns,
        count(referrer_host) as referrer_hosts,
        count(page_path) as page_paths,
        count(device) as devices,
        count(country) as countries,
        count(currency) as currencies,
        count(score) as scores,
        count(revenue) as revenues,
        cast(sum(case when revenue < 0 then 1 else 0 end) as bigint) as negative_revenues,
        cast(sum(coalesce(revenue, 0)) as decimal(18, 4)) as revenue
    from local_times
    group by source, local_us - local_us % 3600000000, event_name, channel

)

select * from final

"""What the data says about an event name: its neighbours in time, its place around conversion, its reach.

Counted over the touchpoints of a rehearsal. A name that rules map only in part is two things: its mapped
events, which are evidence, and its unmapped ones, which ask for a stage.

Belongs here: the counts. Does not belong here: what follows from them (suggestion.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

from journey_analytics.durations import microseconds
from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.project import Project
from journey_analytics.stages.compile import OUTPUT_TABLE, TOUCHPOINTS

NOTHING = "(nothing)"
"""The neighbour of an event that none has within reach."""

POSITIONS = ("before", "after")
"""Where an event lies: before its customer's first conversion, or at or after it."""

_HIDDEN = "hidden_event_names"
_COUNTS = "evidence_counts"


@dataclass
class Traits:
    """What is known of some events together: of one event name, or of all that are mapped to a stage.

    Attributes:
        before: stage of the nearest mapped touchpoint of the customer before, to events.
        after: the same for the nearest one after.
        positions: place relative to the customer's first conversion, to events of customers who have one.
        with_revenue: events that brought money.
        customers: how many customers have one.
    """

    events: int = 0
    with_revenue: int = 0
    customers: int = 0
    before: Counter[str] = field(default_factory=Counter)
    after: Counter[str] = field(default_factory=Counter)
    positions: Counter[str] = field(default_factory=Counter)

    def add(self, other: Traits) -> None:
        """Count the other's events in; customers are not summed, they may be the same."""
        self.events += other.events
        self.with_revenue += other.with_revenue
        self.before.update(other.before)
        self.after.update(other.after)
        self.positions.update(other.positions)


@dataclass(frozen=True)
class Evidence:
    """The traits of every event name.

    Attributes:
        unmapped: by event name, of the events that no rule takes.
        mapped: by event name and stage, of the events that rules map.
        customers: of all touchpoints.
    """

    unmapped: dict[str, Traits]
    mapped: dict[tuple[str, str], Traits]
    customers: int


def gather(engine: DuckDBEngine, project: Project, hidden: Collection[str] = ()) -> Evidence:
    """The evidence in the touchpoints that have been given stages; ignored ones are left out.

    Args:
        engine: holds stg_touchpoints, int_touchpoint_rules and the seeds of the project.
        project: says how near a neighbour must be, and what a conversion is.
        hidden: event names taken for unmapped whatever rules say, to measure what would be suggested.
    """
    engine.execute(f"create or replace temp table {_HIDDEN} (event_name varchar)")
    for name in hidden:
        engine.execute(f"insert into {_HIDDEN} values (?)", [name])
    own = {"stage_model": project.stage_model.name}
    engine.create_table(
        _COUNTS,
        _COUNTS_SQL,
        {
            **own,
            "conversion_stage": project.settings.conversion.stage,
            "near_us": microseconds(project.settings.journey.inactivity),
        },
    )
    unmapped: dict[str, Traits] = {}
    mapped: dict[tuple[str, str], Traits] = {}
    for row in engine.rows(f"select * from {_COUNTS} order by all"):
        name, stage = row["event_name"], row["stage"]
        traits = (
            unmapped.setdefault(name, Traits())
            if stage is None
            else mapped.setdefault((name, stage), Traits())
        )
        events = row["events"]
        traits.events += events
        traits.with_revenue += row["with_revenue"]
        traits.before[row["before_stage"]] += events
        traits.after[row["after_stage"]] += events
        if row["position"] is not None:
            traits.positions[row["position"]] += events
    for row in engine.rows(_CUSTOMERS_SQL, own):
        name, stage = row["event_name"], row["stage"]
        traits = unmapped[name] if stage is None else mapped[name, stage]
        traits.customers = row["customers"]
    customers = engine.rows(f"select count(distinct customer_id) as n from {TOUCHPOINTS}")[0]["n"]
    return Evidence(unmapped, mapped, customers)


_STAGED = f"""
    select
        n.customer_id,
        n.occurred_us,
        n.source,
        n.event_id,
        n.event_name,
        n.revenue,
        case when n.event_name not in (select h.event_name from {_HIDDEN} as h) then r.stage end as stage
    from {OUTPUT_TABLE} as n
    left join seed_stage_rules as r on n.stage_model = r.stage_model and n.rule_number = r.rule_number
    where n.stage_model = $stage_model and not coalesce(r.is_ignored, false)
"""

_COUNTS_SQL = f"""
with staged as ({_STAGED}),

neighbours as (
    select
        event_name,
        stage,
        occurred_us,
        revenue,
        last_value(stage ignore nulls) over earlier as before_stage,
        last_value(case when stage is not null then occurred_us end ignore nulls) over earlier as before_us,
        first_value(stage ignore nulls) over later as after_stage,
        first_value(case when stage is not null then occurred_us end ignore nulls) over later as after_us,
        min(case when stage = $conversion_stage then occurred_us end)
            over (partition by customer_id) as converted_us
    from staged
    window
        earlier as (
            partition by customer_id order by occurred_us, source, event_id
            rows between unbounded preceding and 1 preceding
        ),
        later as (
            partition by customer_id order by occurred_us, source, event_id
            rows between 1 following and unbounded following
        )
)

select
    event_name,
    stage,
    case when occurred_us - before_us <= $near_us then before_stage else '{NOTHING}' end as before_stage,
    case when after_us - occurred_us <= $near_us then after_stage else '{NOTHING}' end as after_stage,
    case
        when occurred_us < converted_us then 'before'
        when occurred_us >= converted_us then 'after'
    end as position,
    count(*) as events,
    count(case when revenue > 0 then 1 end) as with_revenue
from neighbours
group by all
"""

_CUSTOMERS_SQL = f"""
with staged as ({_STAGED})

select event_name, stage, count(distinct customer_id) as customers
from staged
group by event_name, stage
"""

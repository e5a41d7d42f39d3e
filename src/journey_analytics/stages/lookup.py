"""Finds the touchpoints that a person asks for by an id they have at hand.

Belongs here: from an event's or a customer's id to the customer. Does not belong here: what is said of them.
"""

from __future__ import annotations

from journey_analytics.errors import ConfigError, Problem
from journey_analytics.local_days import to_moment
from journey_analytics.rehearsal import Rehearsal
from journey_analytics.sources.load import EVENTS
from journey_analytics.stages.compile import TOUCHPOINTS

_MOST_NAMED = 5


def customers_of_event(rehearsal: Rehearsal, event_id: str) -> list[str]:
    """The customers of the events with this id: one, unless several sources use the same ids.

    Raises:
        ConfigError: no event up to the as-of day has the id; with the closest one, or when it happened.
    """
    engine, asked = rehearsal.engine, {"id": event_id}
    found = engine.rows(
        f"select distinct customer_id from {TOUCHPOINTS} where event_id = $id order by customer_id", asked
    )
    if found:
        return [row["customer_id"] for row in found]
    where = f"the {engine.count(TOUCHPOINTS):,} events up to {rehearsal.as_of}"
    later = engine.rows(f"select min(occurred_us) as us from {EVENTS} where event_id = $id", asked)[0]["us"]
    if later is not None:
        what = f"event {event_id!r} happened on {to_moment(later):%Y-%m-%d}, after the last run's as-of day"
        raise ConfigError(Problem(what, where, "run `journey run` with a later --date"))
    near = engine.rows(
        f"select event_id from {TOUCHPOINTS} "
        "order by jaro_winkler_similarity(event_id, $id) desc, event_id limit 1",
        asked,
    )[0]["event_id"]
    raise ConfigError(
        Problem(
            f"there is no event {event_id!r}",
            where,
            f"the closest id is {near!r}; an event that is not here may be in quarantine, see "
            "`journey sources check`",
        )
    )


def customer_of(rehearsal: Rehearsal, some_id: str) -> str:
    """The customer of an id: a customer's own, a known id that was merged, or an anonymous one.

    Raises:
        ConfigError: no touchpoint has the id, or touchpoints of several customers have it.
    """
    engine, asked = rehearsal.engine, {"id": some_id}
    for column in ("customer_id", "customer_ref", "anonymous_ref"):
        found = engine.rows(
            f"select distinct customer_id from {TOUCHPOINTS} where {column} = $id order by customer_id", asked
        )
        if len(found) == 1:
            return str(found[0]["customer_id"])
        if found:
            named = ", ".join(repr(row["customer_id"]) for row in found[:_MOST_NAMED])
            raise ConfigError(
                Problem(
                    f"the id {some_id!r} was used by {len(found):,} customers",
                    f"{TOUCHPOINTS}.{column}",
                    f"name one of them: {named}" + (" ..." if len(found) > _MOST_NAMED else ""),
                )
            )
    near = engine.rows(
        f"select customer_id from {TOUCHPOINTS} "
        "order by jaro_winkler_similarity(customer_id, $id) desc, customer_id limit 1",
        asked,
    )[0]["customer_id"]
    raise ConfigError(
        Problem(
            f"there is no customer {some_id!r}",
            f"the touchpoints up to {rehearsal.as_of}",
            f"the closest id is {near!r}",
        )
    )

"""The published alerts of one snapshot, and what the record of runs says about the data behind them.

Belongs here: reading marts and the record. Does not belong here: words (wording.py), statistics.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from journey_analytics.engine.sql_text import quoted
from journey_analytics.marts import Snapshot
from journey_analytics.query import query

Row = dict[str, Any]


@dataclass(frozen=True)
class Alert:
    """One alert.

    Attributes:
        figures: its row of mart_stage_alerts.
        causes: its rows of mart_alert_causes, the likeliest first.
        exits: its rows of mart_alert_exits, those that grew most first.
        signs: its rows of mart_alert_signs.
        restated: what the snapshot's run restated of its stage on its days: reason, days, journeys.
    """

    figures: Row
    causes: list[Row]
    exits: list[Row]
    signs: list[Row]
    restated: list[Row]


@dataclass(frozen=True)
class Alerts:
    """What a snapshot says about changes, of the stage model that cuts its journeys.

    Attributes:
        as_of: the day at whose end the snapshot stands.
        cells: how many combinations of stage, channel role and channel could be compared with their baseline.
        alerts: those that changed, the one that cost most journeys first.
        doubts: checks of the snapshot's own run that did not hold: table, check, what was found.
    """

    as_of: str
    cells: int
    alerts: list[Alert]
    doubts: list[Row]

    @property
    def journeys_lost(self) -> float:
        """What the alerts cost together, in journeys beyond expectation."""
        return float(self._together("excess_drops"))

    @property
    def value_at_risk(self) -> Decimal | None:
        """What they cost together in revenue; none where none is known."""
        is_known = any(alert.figures["value_at_risk"] is not None for alert in self.alerts)
        return Decimal(self._together("value_at_risk")) if is_known else None

    def _together(self, figure: str) -> Any:
        """A sum that counts no journey twice: by stage that of the channel role in which it is largest.

        Channels of one role share no journey. All channels together hold each of them.
        """
        sums: dict[str, dict[str, Any]] = defaultdict(lambda: defaultdict(int))
        for alert in self.alerts:
            sums[alert.figures["stage"]][alert.figures["channel_role"]] += alert.figures[figure] or 0
        return sum(max(roles.values()) for roles in sums.values())

    def as_json(self) -> Row:
        """Plain values for programs."""
        return asdict(self)


_RESTATED = """
    with moved as (
        select
            alert_number,
            reason,
            measure,
            count(distinct entry_date) as days,
            cast(sum(abs(after - before)) as bigint) as journeys
        from mart_stage_alerts
        inner join mart_restatements using (stage_model)
        where
            stage_model = {model}
            and run_id = {run}
            and mart_restatements.stage in (mart_stage_alerts.stage, '(any)')
            and funnel_kind = 'touched'
            and mart_restatements.channel_role = 'all'
            and entry_date between first_date and last_date
        group by all
    )
    select alert_number, reason, max(days) as days, max(journeys) as journeys
    from moved
    group by all
    order by alert_number, journeys desc, reason
"""
"""A journey may be restated in several measures: the one that moved most says how many there are."""


def read_alerts(snapshot: Snapshot) -> Alerts:
    """The alerts of a snapshot."""
    model = quoted(str(snapshot.manifest["stage_model"]))
    rows = {
        mart: query(snapshot, f"select * from {mart} where stage_model = {model} order by {order}").to_dicts()
        for mart, order in (
            ("mart_stage_alerts", "alert_number"),
            ("mart_alert_causes", "cause_rank"),
            ("mart_alert_exits", "share_change desc nulls last, journeys desc, event_name"),
            ("mart_alert_signs", "sign, event_name"),
        )
    }

    rows["restated"] = query(snapshot, _RESTATED.format(model=model, run=quoted(snapshot.run_id))).to_dicts()

    def of(mart: str, number: int) -> list[Row]:
        return [row for row in rows[mart] if row["alert_number"] == number]

    cells = query(
        snapshot,
        f"select count(q_value) as cells from mart_stage_dropoff where stage_model = {model}",
    ).item()
    doubts = query(
        snapshot,
        "select table_name, check_name, status, sample from mart_quality_results "
        f"where run_id = {quoted(snapshot.run_id)} and status <> 'passed' "
        "order by begun_at, gate, table_name, check_name",
    )
    return Alerts(
        str(snapshot.manifest["as_of"]),
        int(cells),
        [
            Alert(
                row,
                *(
                    of(mart, row["alert_number"])
                    for mart in ("mart_alert_causes", "mart_alert_exits", "mart_alert_signs", "restated")
                ),
            )
            for row in rows["mart_stage_alerts"]
        ],
        doubts.to_dicts(),
    )

"""The published alerts of one snapshot, and what the record of runs says about the data behind them.

Belongs here: reading marts and the record. Does not belong here: words (wording.py), statistics.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from journey_analytics.alerts.period import BASELINE_DAYS
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
        restated: what was restated of its stage: as_of, is_own (by the snapshot's own run), reason, days,
            journeys. Of its days by that run; by other rules or settings also of the days they are compared
            with, and by the runs of the nights since its first day.
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
        doubts: checks that did not hold: table_name, check_name, status, sample, as_of, is_own. Those of
            the snapshot's own run, and of the nights since the first day of any alert, each the last time.
        currency: of all revenue; none where there are several or none is named.
    """

    as_of: str
    cells: int
    alerts: list[Alert]
    doubts: list[Row]
    currency: str | None = None

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


_TOLD = """
    told as (
        select *, run_id = {run} as is_own
        from {table}
        where
            run_id = {run}
            or begun_at < (select min(begun_at) from mart_quality_results where run_id = {run})
    )
"""
"""What a table of the record says, up to the snapshot's own run: later ones are not its business.

When that began its gates know: its steps are recorded only after the report is written.
"""
_RESTATED = """
    with {told},
    moved as (
        select
            alert_number,
            as_of,
            is_own,
            reason,
            measure,
            count(distinct entry_date) as days,
            cast(sum(abs(after - before)) as bigint) as journeys
        from mart_stage_alerts
        inner join told using (stage_model)
        where
            stage_model = {model}
            and told.stage in (mart_stage_alerts.stage, '(any)')
            and funnel_kind = 'touched'
            and told.channel_role = 'all'
            and entry_date <= last_date
            and case
                when reason = 'rule_change'
                    then (is_own or as_of >= first_date) and entry_date >= first_date - {baseline_days}
                else is_own and entry_date >= first_date
            end
        group by all
    )
    select
        alert_number, as_of, is_own, reason, max(days) as days, max(journeys) as journeys
    from moved
    group by all
    order by alert_number, is_own desc, as_of desc, journeys desc, reason
"""
"""A journey may be restated in several measures: the one that moved most says how many there are.

Events come late on every night, to the days compared with as well; rules change once.
"""
_DOUBTS = """
    with {told}
    select
        table_name,
        check_name,
        max_by(status, begun_at) as status,
        max_by(sample, begun_at) as sample,
        max_by(as_of, begun_at) as as_of,
        max_by(is_own, begun_at) as is_own
    from told
    where
        status <> 'passed'
        and (is_own or as_of >= (select min(first_date) from mart_stage_alerts where stage_model = {model}))
    group by table_name, check_name
    order by is_own desc, as_of desc, table_name, check_name
"""


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

    run = quoted(snapshot.run_id)
    restated, doubts = (
        query(
            snapshot,
            sql.format(told=_TOLD.format(run=run, table=table), model=model, baseline_days=BASELINE_DAYS),
        ).to_dicts()
        for sql, table in ((_RESTATED, "mart_restatements"), (_DOUBTS, "mart_quality_results"))
    )
    rows["restated"] = restated

    def of(mart: str, number: int) -> list[Row]:
        return [row for row in rows[mart] if row["alert_number"] == number]

    cells = query(
        snapshot,
        f"select count(q_value) as cells from mart_stage_dropoff where stage_model = {model}",
    ).item()
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
        doubts,
        _currency(snapshot),
    )


def _currency(snapshot: Snapshot) -> str | None:
    found = query(
        snapshot,
        "select distinct currency from mart_touchpoints where currency is not null order by currency limit 2",
    )
    return str(found.item()) if found.height == 1 else None

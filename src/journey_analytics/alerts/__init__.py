"""Alerts: at which stage and channel journeys lately stop more often than they used to, since when, and why.

What happened to a journey at a stage is known for good only when it has ended, weeks later. Alerts need to
know earlier, so they look at one measure that is complete soon, the *early drop-off rate*: of the journeys
that reached a stage on a local day, the share that did not go on to a later stage within the stage's horizon.
The horizon is the shortest of session timeout, one, three and seven days in which more than half of the
continuations happen (sql/intermediate/int_stage_horizons.sql); a journey counts once its horizon has passed.

    period.py     the days compared: eight weeks, and the three weeks after them
    changes.py    has the rate of a stage and channel changed, from which day to which, by how much
    dispersion.py how much days differ without a change, learned from all channels of a stage
    weights.py    which cells to listen to more closely, so that looking at all of them costs least
    slices.py     which part of the journeys carries a change
    kernels.py    the tables of both: int_stage_changes, int_stage_limits, int_alert_causes
    published.py  the published alerts, and what the record of runs says about the data behind them
    wording.py    alerts in words

Belongs here: statistics of change and how it is told. Does not belong here: counting (sql), intervals of one
rate (statistics.py), pages (reports).
"""

"""How every number of a report is defined, with the settings its snapshot was made by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_DAY = 86_400


def terms(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Each term of the report with its meaning, from a snapshot's manifest."""
    set_to = manifest["definitions"]
    window, goal = _days(set_to["conversion_window_seconds"]), manifest["conversion_stage"]
    unseen = manifest["stages_not_observed"]
    found = {
        "journey": _journey(set_to),
        "converted, lost, open": f"Converted journeys reached {goal} within {window} of their first "
        "touchpoint. Lost ones did not and no longer can. Open ones still can.",
        "continued, dropped, open at a stage": "Continued: a later stage followed. Dropped: the journey "
        "ended there. Open: it has not ended. The three add up to reached. Nothing follows the last stage, "
        "so nobody drops off it.",
        "progressive, touched, closed": "Three ways to count who reached a stage: those who reached it or a "
        "later one; those with a touchpoint in it; those who touched every required stage up to it, in "
        f"order, within {window}.",
        "drop-off": "Dropped divided by continued plus dropped. Open journeys are in neither, because "
        "nobody knows yet.",
        "95 % interval": "Wilson's interval: what the rate may be when this many journeys were seen.",
        "channel of first touch": "The channel of the journey's first touchpoint; a journey has one.",
        "did not go on, usual, limits": "Of the journeys that reached a stage on a day, the share that did "
        "not go on to a later one within the time in which most do, counted once that time has passed. Usual "
        "is the same on such weekdays of the eight weeks before; the limits are three standard deviations "
        "away.",
        "alert": "A stage and channel at which for some days more journeys did not go on than chance "
        "explains, over all stages and channels looked at together.",
        "lost beyond expectation, value at risk": "Journeys that did not go on, less those that usually do "
        "not; and what so many journeys bring when they go on. Alerts of one stage may hold the same "
        "journeys: their sum counts them once.",
        "time to the next stage": "From entering a stage to entering the next one reached, of journeys that "
        "went on.",
        "exit point": "The last touchpoint of a journey that dropped off: its event, and its page if it has "
        "one.",
    }
    if unseen:
        found["stages not shown"] = f"No rule gives {', '.join(unseen)}: that is no data, not no customers."
    return found


def _journey(set_to: Mapping[str, Any]) -> str:
    if set_to["journey_key"] is not None:
        return f"All touchpoints with the same {set_to['journey_key']}."
    text = (
        "One customer's touchpoints from the first until "
        f"{_days(set_to['inactivity_seconds'])} pass without one"
    )
    restart = set_to["restart"]
    if restart:
        text += (
            f", or until a touchpoint in {' or '.join(restart['on'])} comes "
            f"{_days(restart['cool_down_seconds'])} or more after the last one at or past {restart['after']}"
        )
    return text + "."


def _days(seconds: float) -> str:
    """A length of a setting, in days where it is of whole days.

    >>> _days(2_592_000), _days(86_400), _days(5_400)
    ('30 days', '1 day', '1.5 hours')
    """
    number, unit = (seconds / _DAY, "day") if seconds % _DAY == 0 else (seconds / 3_600, "hour")
    return f"{number:,g} {unit}{'' if number == 1 else 's'}"

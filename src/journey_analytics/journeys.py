"""Sessions, journeys and the stages they reached: the settings and seeds the models of this concern need.

Belongs here: how the project's durations and stages become parameters of the models.
Does not belong here: the definitions themselves (sql/intermediate), stage rules (stages).
"""

from __future__ import annotations

from datetime import date, timedelta

from journey_analytics.alerts.period import TREND_DAYS
from journey_analytics.durations import microseconds
from journey_analytics.local_days import end_of_day_us
from journey_analytics.project import Project

Parameters = dict[str, str | int | None]


def model_parameters(project: Project, as_of: date) -> Parameters:
    """Every parameter a model may name, for a run as of the end of the local day `as_of`."""
    settings = project.settings
    restart = settings.journey.restart
    return {
        "stage_model": project.stage_model.name,
        "as_of_us": end_of_day_us(as_of, project.zone),
        "as_of_date": as_of.isoformat(),
        "trend_from_us": end_of_day_us(as_of - timedelta(days=TREND_DAYS), project.zone),
        "session_timeout_us": microseconds(settings.session_timeout),
        "inactivity_us": microseconds(settings.journey.inactivity),
        "restart_after_ordinal": project.stage_model.ordinal(restart.after) if restart else None,
        "restart_cool_down_us": microseconds(restart.cool_down) if restart else None,
        "conversion_stage": settings.conversion.stage,
        "conversion_window_us": microseconds(settings.conversion.window),
    }

"""The days that are compared: the last three weeks with the eight weeks before them, by weekday."""

from __future__ import annotations

BASELINE_DAYS = 56
WINDOW_DAYS = 21
TREND_DAYS = BASELINE_DAYS + WINDOW_DAYS
"""All of them, up to the as-of day."""
WEEK = 7

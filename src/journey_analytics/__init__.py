"""Journey analytics: infers customer journeys from behaviour data.

The package knows nothing of Prefect: `pipelines/` drives `journey_analytics.run`, which calls the rooms
(sources, stages, quality, marts, reports), which call the engine, which runs the files under `sql/`.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from journey_analytics.funnels import FunnelResult, funnel

__all__ = ["FunnelResult", "__version__", "funnel"]

__version__ = version("journey-analytics")


def __getattr__(name: str) -> Any:
    """What analysts use, imported when it is first asked for: it takes long to import."""
    if name in ("FunnelResult", "funnel"):
        from journey_analytics import funnels  # noqa: PLC0415 - see above

        return getattr(funnels, name)
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)

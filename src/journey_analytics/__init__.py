"""Journey analytics: infers customer journeys from behaviour data.

The package knows nothing of Prefect: `pipelines/` drives `journey_analytics.run`, which calls the rooms
(sources, stages, quality, marts, reports), which call the engine, which runs the files under `sql/`.
"""

from importlib.metadata import version

__version__ = version("journey-analytics")

"""Prefect flows: order, retries, schedule, parameters. No SQL text, no arithmetic, no business rules.

The steps themselves are `journey_analytics.run.STEPS`, the same list the command line drives.
"""

import os

# before Prefect is imported: no usage data, time enough for a small machine, and what the package itself logs
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("PREFECT_LOGGING_LEVEL", "INFO")
os.environ.setdefault("PREFECT_LOGGING_EXTRA_LOGGERS", "journey_analytics")
os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "60")

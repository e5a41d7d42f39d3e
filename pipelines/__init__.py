"""Prefect flows: order, retries, schedule, parameters. No SQL text, no arithmetic, no business rules.

The steps themselves are `journey_analytics.run.STEPS`, the same list the command line drives.
"""

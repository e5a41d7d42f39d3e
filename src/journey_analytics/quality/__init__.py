"""Quality: gates that stop a run before it publishes anything wrong.

Belongs here: Great Expectations suites made from contracts, their DuckDB dialect, and the
runner of sql/checks.
Does not belong here: the contracts themselves, or what a run does about a failure (run).
"""

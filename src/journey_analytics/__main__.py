"""`python -m journey_analytics` is the command `journey`."""

from journey_analytics.cli import main

main()

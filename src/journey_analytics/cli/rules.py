"""The group of commands about stage rules."""

from __future__ import annotations

from cyclopts import App

app = App()
rules_app = App(name="rules", help="Which event is which stage: see what the stage rules do.")
app.command(rules_app)

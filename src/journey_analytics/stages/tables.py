"""The stage model and the rules as tables, for the models to join: seed_stages and seed_stage_rules."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import polars as pl

from journey_analytics.stages.rules import StageRule
from journey_analytics.stages.stage_models import StageModel


def stage_table(model: StageModel, observed: Sequence[str], restart: Collection[str]) -> pl.DataFrame:
    """One row per stage of the model, in order.

    Args:
        model: the stage model.
        observed: the stages some rule gives, in order.
        restart: the stages whose touchpoint may restart a journey.

    Returns:
        stage_model, stage, owner (String), stage_ordinal (Int64, from 1), is_required, is_observed,
        is_last_observed, is_restart (Boolean).
    """
    last = observed[-1] if observed else None
    return pl.DataFrame(
        [
            {
                "stage_model": model.name,
                "stage": stage.stage,
                "owner": stage.owner,
                "stage_ordinal": ordinal,
                "is_required": stage.required,
                "is_observed": stage.stage in observed,
                "is_last_observed": stage.stage == last,
                "is_restart": stage.stage in restart,
            }
            for ordinal, stage in enumerate(model.stages, start=1)
        ]
    )


def rule_table(rules: Sequence[StageRule]) -> pl.DataFrame:
    """One row per rule in order: rule_number (Int64, from 1), rule, stage (String), is_ignored (Boolean)."""
    return pl.DataFrame(
        [
            {
                "rule_number": number,
                "rule": rule.name,
                "stage": rule.stage,
                "is_ignored": rule.ignores,
            }
            for number, rule in enumerate(rules, start=1)
        ],
        schema={
            "rule_number": pl.Int64,
            "rule": pl.String,
            "stage": pl.String,
            "is_ignored": pl.Boolean,
        },
    )

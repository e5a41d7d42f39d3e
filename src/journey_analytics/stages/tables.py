"""Stage models and their rules as tables, for the models to join: seed_stages and seed_stage_rules."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import polars as pl

from journey_analytics.stages.stage_map import StageMap


def stage_table(maps: Sequence[StageMap], restart: Collection[str]) -> pl.DataFrame:
    """One row per stage of every stage model, in order.

    Args:
        maps: the stage models with their rules; the first is the project's own, which cuts journeys.
        restart: the stages of the first whose touchpoint may restart a journey.

    Returns:
        stage_model, stage, owner (String), stage_ordinal (Int64, from 1), is_required, is_observed,
        is_restart (Boolean).
    """
    return pl.DataFrame(
        [
            {
                "stage_model": found.model.name,
                "stage": stage.stage,
                "owner": stage.owner,
                "stage_ordinal": ordinal,
                "is_required": stage.required,
                "is_observed": stage.stage in found.observed_stages,
                "is_restart": found is maps[0] and stage.stage in restart,
            }
            for found in maps
            for ordinal, stage in enumerate(found.model.stages, start=1)
        ]
    )


def rule_table(maps: Sequence[StageMap]) -> pl.DataFrame:
    """One row per rule of every stage model, in order.

    Returns:
        stage_model (String), rule_number (Int64, from 1), rule, stage (String), is_ignored (Boolean).
    """
    return pl.DataFrame(
        [
            {
                "stage_model": found.model.name,
                "rule_number": number,
                "rule": rule.name,
                "stage": rule.stage,
                "is_ignored": rule.ignores,
            }
            for found in maps
            for number, rule in enumerate(found.rules, start=1)
        ],
        schema={
            "stage_model": pl.String,
            "rule_number": pl.Int64,
            "rule": pl.String,
            "stage": pl.String,
            "is_ignored": pl.Boolean,
        },
    )

"""Stage models: ordered lists of stages, shipped with the package or written in a project's stages.yaml."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from journey_analytics.errors import StageRuleError
from journey_analytics.yaml_file import YamlFile


class Stage(BaseModel):
    """One named phase of a journey."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stage: str = Field(min_length=1, description="Name, as rules and marts write it.")
    purpose: str = Field("", description="What the customer gets done in this stage.")
    touchpoints: tuple[str, ...] = Field((), description="Typical touchpoints, in words.")
    owner: str = Field("", description="Who answers for it: marketing, product, support ...")
    required: bool = Field(default=False, description="Part of the closed funnel.")


class StageModel(BaseModel):
    """An ordered list of stages; a stage's ordinal is its place in the list, from 1."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, description="Name of the model, as marts write it.")
    stages: tuple[Stage, ...] = Field(min_length=2, description="The stages in order.")

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = self.names
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"stage {twice[0]!r} is listed twice")
        return self

    @property
    def names(self) -> list[str]:
        """The stages' names in order."""
        return [stage.stage for stage in self.stages]

    def ordinal(self, stage: str) -> int:
        """The place of `stage` in the model, from 1."""
        return self.names.index(stage) + 1


def shipped_names() -> list[str]:
    """The names of the stage models that come with the package."""
    folder = files("journey_analytics") / "stages" / "models"
    return sorted(
        entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml")
    )


def shipped(name: str) -> StageModel:
    """The shipped stage model `name`; a name that is not shipped is the caller's to refuse."""
    path = Path(str(files("journey_analytics") / "stages" / "models" / f"{name}.yaml"))
    return YamlFile(path, StageRuleError).validate(StageModel)

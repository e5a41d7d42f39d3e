"""Reads a project folder once: one frozen Project object that every other room is handed.

Belongs here: journey.yaml, its defaults, and where a project keeps its files.
Does not belong here: reading data, or anything that changes a file.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, ConfigDict, Field, field_validator

from journey_analytics.durations import Duration, parse_duration
from journey_analytics.errors import ConfigError, JourneyError, Problem, advise
from journey_analytics.quality.check_names import accept_problems
from journey_analytics.sources.channels.rules import ChannelRules, read_channels
from journey_analytics.sources.mapping import Source, read_mapping
from journey_analytics.stages.compile import ProjectTime
from journey_analytics.stages.stage_map import StageMap
from journey_analytics.stages.stage_models import StageModel, shipped, shipped_names
from journey_analytics.stages.stages_file import read_stages, starter_names, starter_rules
from journey_analytics.touchpoints import PROPERTY, RULE_COLUMNS, Kind
from journey_analytics.yaml_file import YamlFile

PROJECT_FILE = "journey.yaml"
_STAGES_FILE = "stages.yaml"
_DECIDE_NO_NUMBER = {"project", "marts", "reports", "notify", "quality", "memory_limit", "threads"}
"""Keys of journey.yaml that change no number: how marts are called, kept, told, gated, and made how fast."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Conversion(_Section):
    """What counts as a conversion of a journey."""

    stage: str = Field(description="The stage that must be reached.")
    window: Duration = Field(description="Longest time from the journey's first touchpoint.")


class Restart(_Section):
    """When a new journey starts although the customer was never silent for long."""

    after: str = Field(description="The journey must have reached this stage or a later one.")
    on: tuple[str, ...] = Field(min_length=1, description="Stages whose touchpoint starts anew.")
    cool_down: Duration = Field(description="Shortest time since the last touchpoint at or past `after`.")


class Journey(_Section):
    """How touchpoints are cut into journeys."""

    inactivity: Duration = Field(
        default=parse_duration("90d"), description="A longer gap starts a new journey."
    )
    restart: Restart | None = Field(None, description="When a journey begins anew without a gap.")
    key: str | None = Field(
        None,
        description="Text column, or properties.<name>, that holds a journey's own key (a ticket, a claim): "
        "touchpoints with one key are one journey, whatever the silence between them.",
    )

    @field_validator("key")
    @classmethod
    def _key_is_a_text_column(cls, name: str | None) -> str | None:
        columns = [column for column, kind in RULE_COLUMNS.items() if kind is Kind.TEXT]
        if name is None or name in columns or PROPERTY.fullmatch(name):
            return name
        message = f"{name!r} is no text column of a touchpoint; "
        raise ValueError(message + advise(name, [*columns, "properties.<name>"], "column"))


class Identity(_Section):
    """How ids are joined to customers."""

    max_ids: int = Field(
        50, ge=1, description="Most known ids alias events may join; a larger group is not merged at all."
    )


class Marts(_Section):
    """Where the marts are published."""

    folder: str = Field("marts", description="Folder inside the project.")
    keep: int = Field(30, ge=1, description="How many past snapshots stay readable.")


class Reports(_Section):
    """The pages of past days."""

    keep: int = Field(60, ge=1, description="Of how many days the report is kept.")


class Notify(_Section):
    """Who is told what a run found."""

    to: tuple[str, ...] = Field(
        min_length=1,
        description="Apprise URLs; ${NAME} in one is the environment's, so that no secret is here.",
    )
    on: tuple[Literal["alerts", "failure", "warning", "always"], ...] = Field(
        ("alerts", "failure"),
        description="alerts: there are some; failure: a run stopped; warning: a check warned; always.",
    )


class Accepted(_Section):
    """A learned check that may say of some days what it will: the day really was like that."""

    check: str = Field(min_length=1, description="Its name, as the gate prints it: events of web.")
    day: date = Field(alias="date", description="The local day that it may find unlike the others.")
    until: date | None = Field(None, description="The last such day; only the one when not given.")
    why: str = Field(min_length=1, description="For whoever reads it later.")

    def covers(self, check: str, day: date) -> bool:
        """Whether it speaks of this check and day."""
        return check == self.check and self.day <= day <= (self.until or self.day)


class Quality(_Section):
    """What a person knows of the data that the gates cannot."""

    accept: tuple[Accepted, ...] = Field((), description="Checks of days that are right as they are.")
    unusual_days: tuple[date, ...] = Field(
        (), description="Days of the project's own (a sale, a regional holiday) on which counts may swing."
    )


class Settings(_Section):
    """The content of journey.yaml."""

    project: str = Field(min_length=1, description="Name of the project.")
    timezone: str = Field(description="IANA zone in which days begin, for example Europe/Berlin.")
    stage_model: str = Field("seven_stage", description="A shipped stage model.")
    stages: str | None = Field(
        None, description="File with the stage rules; stages.yaml, and without one the shipped starter rules."
    )
    further_stages: tuple[str, ...] = Field(
        (),
        description="Further stage models for the same journeys: files with stages and rules, or names of "
        "shipped models, which come with starter rules.",
    )
    conversion: Conversion = Field(description="What counts as a conversion of a journey.")
    session_timeout: Duration = Field(
        default=parse_duration("30m"), description="Longest gap inside one session."
    )
    journey: Journey = Field(default=Journey(), description="How touchpoints are cut into journeys.")
    identity: Identity = Field(default=Identity(), description="How ids are joined to customers.")
    sources: tuple[str, ...] = Field(min_length=1, description="Files with the source mappings.")
    channels: str | None = Field(
        None, description="File with the project's own hosts and channel rules, before GA4's default group."
    )
    engine: Literal["duckdb"] = Field("duckdb", description="The engine that runs the models.")
    memory_limit: str = Field(
        "4GB",
        pattern=r"^[0-9]+(\.[0-9]+)?(MB|GB|MiB|GiB)$",
        description="Memory of a run; its engine takes 3/4 of it.",
    )
    threads: int | None = Field(None, ge=1, description="All cores when not given.")
    marts: Marts = Field(default=Marts(), description="Where the marts are published.")
    reports: Reports = Field(default=Reports(), description="How reports are made and kept.")
    notify: Notify | None = Field(None, description="Who is told about a run, and of what.")
    quality: Quality = Field(default=Quality(), description="What a person knows of the data.")

    @field_validator("timezone")
    @classmethod
    def _zone_is_known(cls, name: str) -> str:
        zones = available_timezones()
        if name not in zones:
            near = advise(name, sorted(zones), "time zone").split(";")[0]
            message = f"unknown time zone {name!r}; {near}"
            raise ValueError(message)
        return name


@dataclass(frozen=True)
class Project:
    """A project as read from its folder: settings, sources, stages and rules, and its paths."""

    folder: Path
    settings: Settings
    sources: tuple[Source, ...]
    stage_maps: tuple[StageMap, ...]
    """The project's own, which cuts journeys and says what a conversion is, then the further ones."""
    channels: ChannelRules

    @property
    def stage_map(self) -> StageMap:
        """The project's own stage model and rules."""
        return self.stage_maps[0]

    @property
    def stage_model(self) -> StageModel:
        """The project's own stage model."""
        return self.stage_map.model

    @property
    def zone(self) -> ZoneInfo:
        """The zone in which the project's days begin."""
        return ZoneInfo(self.settings.timezone)

    @property
    def time(self) -> ProjectTime:
        """What days and sessions are to the stage rules."""
        return ProjectTime(self.zone, self.settings.session_timeout)

    @property
    def marts_folder(self) -> Path:
        """Where the marts are published."""
        return self.folder / self.settings.marts.folder

    @property
    def reports_folder(self) -> Path:
        """Where the reports are written."""
        return self.folder / "reports"

    @property
    def spill_folder(self) -> Path:
        """Where the engine puts what does not fit in memory."""
        return self.folder / "work.spill"

    @property
    def work_file(self) -> Path:
        """What a run keeps for the next one; may be deleted."""
        return self.folder / "work.duckdb"

    @property
    def store_folder(self) -> Path:
        """The event store: typed events of every load, and the ledger."""
        return self.folder / "store"

    @property
    def lock_file(self) -> Path:
        """Held by the one run that may write."""
        return self.folder / "run.lock"

    @cached_property
    def config_sha256(self) -> str:
        """One hash over what decides the numbers besides the events: settings, mappings and rules.

        Of stages and channels counts what is said, not how it is written, and no test; of the settings all
        that is not known to decide none; of a mapping what decides the events. Lists that the product ships
        are known by its version.
        """
        digest = hashlib.sha256(self.settings.model_dump_json(exclude=_DECIDE_NO_NUMBER).encode())
        for source in self.sources:
            digest.update(b"\0" + source.mapping.decides_events.encode())
        digest.update(b"\0" + str(self.channels).encode())
        for stage_map in self.stage_maps:
            digest.update(b"\0" + stage_map.model.model_dump_json().encode())
            digest.update(b"\0" + "\0".join(stage_map.written).encode())
        return digest.hexdigest()


def read_project(folder: Path) -> Project:
    """The project in `folder`.

    Raises:
        ConfigError: the folder, journey.yaml, a source mapping or stages.yaml is wrong; all problems of
            all files together.
    """
    path = folder / PROJECT_FILE
    if not path.is_file():
        found = sorted(entry.parent.name for entry in folder.glob(f"*/{PROJECT_FILE}"))
        hint = f"; there is one in: {', '.join(found)}" if found else ""
        raise ConfigError(
            Problem(
                f"this folder holds no {PROJECT_FILE}" if folder.is_dir() else "this folder does not exist",
                str(folder),
                f"name a project folder with -p, for example -p data/complete_journey{hint}",
            )
        )
    file = YamlFile(path)
    settings, problems = file.check(Settings)
    # a fault of journey.yaml hides none of the other files: what it says of them is read as far as it goes
    said = _said(file)
    model = shipped(said.stage_model) if said.stage_model in shipped_names() else None
    maps: list[StageMap] = []
    stages_path = folder / (said.stages or _STAGES_FILE)
    has_stages_file = said.stages is not None or stages_path.is_file()
    try:
        if has_stages_file:
            maps.append(read_stages(stages_path, model))
        elif model is not None:
            maps.append(starter_rules(model.name))
        if maps:
            model = maps[0].model
    except JourneyError as error:
        problems.extend(error.problems)
    if model is None and said.stage_model not in shipped_names():
        problems.append(
            file.problem(
                f"unknown stage model {said.stage_model!r}",
                ("stage_model",),
                advise(said.stage_model, shipped_names(), "stage model"),
                value=True,
            )
        )
    maps.extend(_read_further_stages(file, folder, said.further_stages, maps, problems))
    channels = _read_channels(folder, said.channels, problems)
    sources = _read_sources(file, folder, said.sources, channels, problems)
    if settings is not None and model is not None:
        problems.extend(_stage_problems(file, settings, model))
    if maps and len(sources) == len(said.sources):
        problems.extend(accept_problems(file, [source.name for source in sources], maps[0].model.names))
    if problems or settings is None or model is None:
        raise ConfigError(problems)
    return Project(folder, settings, tuple(sources), tuple(maps), channels)


def with_stages(project: Project, path: Path) -> Project:
    """The project as it would be with another file in place of its own stages.yaml.

    Raises:
        StageRuleError: the file is wrong.
        ConfigError: journey.yaml names stages that its stage model does not have.
    """
    name = project.settings.stage_model
    found = read_stages(path, shipped(name) if name in shipped_names() else None)
    problems = _stage_problems(YamlFile(project.folder / PROJECT_FILE), project.settings, found.model)
    if problems:
        raise ConfigError(problems)
    return replace(project, stage_maps=(found, *project.stage_maps[1:]))


class _Said(_Section):
    """What a journey.yaml says of other files, whatever else is wrong with it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    stage_model: str = Settings.model_fields["stage_model"].default
    stages: str | None = None
    further_stages: tuple[str, ...] = ()
    channels: str | None = None
    sources: tuple[str, ...] = ()


def _said(file: YamlFile) -> _Said:
    said, _ = file.check(_Said)
    return said or _Said()


def _read_sources(
    file: YamlFile,
    folder: Path,
    names: tuple[str, ...],
    channels: ChannelRules,
    problems: list[Problem],
) -> list[Source]:
    """The sources that can be read; what is wrong with the others is added to the problems."""
    sources: list[Source] = []
    for index, name in enumerate(names):
        if not (folder / name).is_file():
            known = [str(path.relative_to(folder)) for path in sorted(folder.glob("sources/*.yaml"))]
            what = f"source mapping {name!r} does not exist"
            problems.append(file.problem(what, ("sources", index), advise(name, known, "file")))
            continue
        try:
            sources.append(read_mapping(folder / name, channels))
        except JourneyError as error:
            problems.extend(error.problems)
    problems.extend(_named_twice(file, sources))
    return sources


def _read_further_stages(
    file: YamlFile,
    folder: Path,
    names: tuple[str, ...],
    own: list[StageMap],
    problems: list[Problem],
) -> list[StageMap]:
    """The further stage models that can be read; what is wrong with the others is added to the problems."""
    found: list[StageMap] = []
    for index, name in enumerate(names):
        place = ("further_stages", index)
        if name in starter_names():
            further = starter_rules(name)
        elif (folder / name).is_file():
            try:
                further = read_stages(folder / name, None)
            except JourneyError as error:
                problems.extend(error.problems)
                continue
        else:
            known = [*(path.name for path in sorted(folder.glob("*.yaml"))), *starter_names()]
            what = f"{name!r} is neither a stages file nor a shipped stage model"
            problems.append(file.problem(what, place, advise(name, known, "file or stage model")))
            continue
        if further.model.name in [other.model.name for other in (*own, *found)]:
            what = f"stage model {further.model.name!r} is applied twice"
            problems.append(file.problem(what, place, "give each stage model a name of its own"))
        found.append(further)
    return found


def _read_channels(folder: Path, name: str | None, problems: list[Problem]) -> ChannelRules:
    """The project's channel rules; what is wrong with them is added to the problems."""
    if name is not None:
        try:
            return read_channels(folder / name)
        except JourneyError as error:
            problems.extend(error.problems)
    return read_channels(None)


def _stage_problems(file: YamlFile, settings: Settings, model: StageModel) -> list[Problem]:
    """Stages that journey.yaml names and the stage model does not have."""
    named: list[tuple[str, tuple[str | int, ...]]] = [(settings.conversion.stage, ("conversion", "stage"))]
    restart = settings.journey.restart
    if restart is not None:
        named.append((restart.after, ("journey", "restart", "after")))
        named.extend((stage, ("journey", "restart", "on", index)) for index, stage in enumerate(restart.on))
    return [
        file.problem(
            f"unknown stage {stage!r} in stage model {model.name!r}",
            path,
            advise(stage, model.names, "stage"),
            value=True,
        )
        for stage, path in named
        if stage not in model.names
    ]


def _named_twice(file: YamlFile, sources: list[Source]) -> list[Problem]:
    """Sources that share a name: their events would share keys."""
    names = [source.name for source in sources]
    return [
        file.problem(
            f"source {name!r} is mapped twice",
            ("sources",),
            "give each mapping a source name of its own",
        )
        for name in sorted({name for name in names if names.count(name) > 1})
    ]

"""The reference of a project's YAML files: every key, what it holds, and what it is when it is left out.

Belongs here: pages made from the models that read those files. Does not belong here: what a key means.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from journey_analytics.contracts import contracts
from journey_analytics.durations import duration_text
from journey_analytics.project import PROJECT_FILE, Settings
from journey_analytics.reference.markdown import table
from journey_analytics.sources.channels import rules as channel_rules
from journey_analytics.sources.mapping import SourceMapping
from journey_analytics.stages.conditions import LIST_OPERATORS, OPERATORS
from journey_analytics.stages.rule_tests import TEST_KEYS
from journey_analytics.stages.rules import RULE_KEYS
from journey_analytics.stages.stages_file import StagesFile
from journey_analytics.touchpoints import ADDRESS_COLUMNS, MAPPED_COLUMNS
from journey_analytics.yaml_file import keys_of

FILES: dict[str, type[BaseModel]] = {
    PROJECT_FILE: Settings,
    "sources/*.yaml": SourceMapping,
    "stages.yaml": StagesFile,
    "channels.yaml": channel_rules.ChannelsFile,
}
_PLAIN = {
    str: "text", int: "whole number", float: "number", bool: "true or false",
    timedelta: "duration", date: "day", Any: "list",
}  # fmt: skip


def project_files() -> str:
    """Every file of a project and its keys, as Markdown."""
    lines = [
        "# Files of a project",
        "",
        "A duration is a whole number with a unit: `30m`, `12h`, `90d`, `2w`. A day has 24 hours.",
    ]
    for name, model in FILES.items():
        lines += ["", f"## {name}", "", _first_line(model), "", *_keys(model)]
        for place, inner in _sections(model, ""):
            lines += ["", f"### {name}: {place}", "", _first_line(inner), "", *_keys(inner)]
        for title, keys in _FURTHER.get(name, {}).items():
            rows = [[f"`{key}`", told] for key, told in keys().items()]
            lines += ["", f"### {name}: {title}", "", *table(["key", "what it says"], rows)]
    return "\n".join([*lines, ""])


def _keys(model: type[BaseModel]) -> list[str]:
    rows = [
        [f"`{name}`", _kind(field.annotation), _default(field), field.description or ""]
        for name, field in keys_of(model).items()
    ]
    return table(["key", "holds", "when left out", "what it says"], rows)


def _sections(model: type[BaseModel], place: str) -> Iterator[tuple[str, type[BaseModel]]]:
    """The models inside a model, each with the path of keys that leads to it."""
    for name, field in keys_of(model).items():
        for inner in _models_in(field.annotation):
            yield f"{place}{name}", inner
            yield from _sections(inner, f"{place}{name}.")


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in typing.get_args(annotation) for model in _models_in(argument)]


def _kind(annotation: Any) -> str:
    """What a key holds, in words: `text`, `list of text`, `append, replace_day or snapshot`."""
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return _either([f"`{value}`" for value in inner])
    if origin in (typing.Union, types.UnionType):
        return _either([_kind(part) for part in inner if part is not type(None)])
    if origin is tuple:
        return f"list of {_kind(inner[0])}"
    if origin is dict:
        return f"{_kind(inner[0])} to {_kind(inner[1])}"
    return "keys" if _models_in(annotation) else _PLAIN[annotation]


def _either(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} or {parts[-1]}"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be there"
    value = field.default
    if isinstance(value, BaseModel) or value in (None, (), ""):
        return ""
    if isinstance(value, timedelta):
        return duration_text(value)
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _first_line(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().splitlines()[0]


def _event_columns() -> Mapping[str, str]:
    """What a mapping may fill."""
    told = {column.name: column.description for column in contracts()["events"].columns}
    known = {
        name: told.get(name, "When it happened; its time zone is `timezone`.") for name in MAPPED_COLUMNS
    }
    address = "An address or click id in which page, referrer, campaign tags and channel are found."
    return {**known, **dict.fromkeys(ADDRESS_COLUMNS, address), "properties.<name>": "Anything else to keep."}


def _column_tests() -> Mapping[str, str]:
    lists = {name: f"`{stands_for}`, for a list of `lists`" for name, stands_for in LIST_OPERATORS.items()}
    return {**{str(name): told for name, told in OPERATORS.items()}, **lists}


_FURTHER: dict[str, dict[str, Callable[[], Mapping[str, str]]]] = {
    "sources/*.yaml": {"columns": _event_columns},
    "stages.yaml": {
        "rules": lambda: RULE_KEYS,
        "tests of a column in `when`": _column_tests,
        "tests": lambda: TEST_KEYS,
    },
    "channels.yaml": {"rules": lambda: channel_rules.RULE_KEYS},
}

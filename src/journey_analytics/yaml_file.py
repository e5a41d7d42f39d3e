"""Reads a YAML file so that every later complaint can point at a line and a column.

Belongs here: parsing, positions, and turning pydantic's findings into problems with places and closest names.
Does not belong here: what any particular file means.
"""

from __future__ import annotations

import json
import re
import types
import typing
from collections.abc import Collection, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from journey_analytics.errors import ConfigError, JourneyError, Place, Problem, advise

ModelT = TypeVar("ModelT", bound=BaseModel)
KeyPath = tuple[str | int, ...]

_END_OF_SCALAR = re.compile(r"[,\]}]|\s#|:\s|$")


class YamlFile:
    """A parsed YAML file: its content, and the place of every key in it.

    Args:
        path: the file.
        error: the error class its problems are raised as.
    """

    def __init__(self, path: Path, error: type[JourneyError] = ConfigError) -> None:
        self.path = path
        self.error = error
        self._text = ""
        self.content: CommentedMap = self._parse()

    def _parse(self) -> CommentedMap:
        try:
            self._text = text = self.path.read_text(encoding="utf-8-sig")
        except FileNotFoundError:
            raise self.error(
                Problem("the file does not exist", str(self.path), "create it, or correct the name")
            ) from None
        except (OSError, UnicodeDecodeError) as cause:
            raise self.error(
                Problem(f"the file cannot be read: {cause}", str(self.path), "make it UTF-8 text")
            ) from cause
        try:
            content = YAML(typ="rt").load(text)
        except MarkedYAMLError as cause:
            mark = cause.problem_mark or cause.context_mark
            place = Place(self.path, mark.line + 1, mark.column + 1) if mark else Place(self.path)
            what = f"this is not valid YAML: {cause.problem or cause.context}"
            raise self.error(Problem(what, str(place), "correct the text at this place")) from cause
        except YAMLError as cause:
            what = f"this is not valid YAML: {' '.join(str(cause).split())}"
            do = "remove the character that YAML does not allow"
            raise self.error(Problem(what, str(self.path), do)) from cause
        except ValueError as cause:  # a date that is none, such as 2026-13-01
            what = f"a value is not what it looks like: {cause}"
            do = "correct it, or put it in quotes if it is text"
            raise self.error(Problem(what, str(self.path), do)) from cause
        except RecursionError as cause:
            what = "the file is nested too deeply to be read"
            raise self.error(Problem(what, str(self.path), "write it flatter")) from cause
        if not isinstance(content, CommentedMap):
            raise self.error(
                Problem(
                    "the file is empty" if content is None else "the file is not a list of keys",
                    str(Place(self.path, 1, 1)),
                    "write 'key: value' lines; `journey --help` names an example project",
                )
            )
        return content

    def place(self, path: KeyPath, *, value: bool = False) -> Place:
        """Where the key at `path` stands (its value, with `value`); its nearest parent when it is missing."""
        node: Any = self.content
        found = Place(self.path, 1, 1)
        for part in path:
            try:
                if isinstance(node, CommentedMap):
                    line, column = node.lc.value(part) if value else node.lc.key(part)
                elif isinstance(node, CommentedSeq) and isinstance(part, int):
                    line, column = node.lc.item(part)
                else:
                    break
                node = node[part]
            except (KeyError, IndexError, TypeError, AttributeError):
                break
            found = Place(self.path, line + 1, column + 1)
        return found

    def written(self, path: KeyPath) -> str:
        """The value at `path` as the file spells it, where YAML takes it for something else than text."""
        place = self.place(path, value=True)
        if place.line is None or place.column is None:
            return ""
        rest = self._lines[place.line - 1][place.column - 1 :]
        return _END_OF_SCALAR.split(rest, maxsplit=1)[0].strip()

    def says(self, without: Collection[str] = ()) -> str:
        """The content but some keys, as text; comments, white space and the order of keys change nothing."""
        content = {key: value for key, value in plain(self.content).items() if key not in without}
        return json.dumps(content, sort_keys=True, default=str)

    @cached_property
    def _lines(self) -> list[str]:
        return self._text.splitlines()

    def problem(self, what: str, path: KeyPath, do: str, *, value: bool = False) -> Problem:
        """A problem at the key (or value) at `path`."""
        return Problem(what, str(self.place(path, value=value)), do)

    def validate(self, model: type[ModelT], content: Mapping[str, Any] | None = None) -> ModelT:
        """The content as `model`, or other content for which this file answers.

        Raises:
            JourneyError: of the class given; every problem of the file together, in file order.
        """
        validated, problems = self.check(model, content)
        if validated is None:
            raise self.error(problems)
        return validated

    def check(
        self, model: type[ModelT], content: Mapping[str, Any] | None = None
    ) -> tuple[ModelT | None, list[Problem]]:
        """The content, or other that this file answers for; or None and every problem in file order."""
        try:
            return model.model_validate(plain(self.content) if content is None else content), []
        except ValidationError as cause:
            found: dict[tuple[int, int, KeyPath], Problem] = {}
            for error in cause.errors():
                # the members of a union complain one by one, under names that are no keys
                path = self._known_part(tuple(error["loc"]), is_missing=error["type"] == "missing")
                place = self.place(path)
                found.setdefault(
                    (place.line or 0, place.column or 0, path), self._from_pydantic(model, error, path)
                )
            return None, [found[key] for key in sorted(found, key=lambda key: key[:2])]

    def _known_part(self, path: KeyPath, *, is_missing: bool) -> KeyPath:
        """The path without what the file does not have; a missing key keeps its name."""
        node: Any = self.content
        for depth, part in enumerate(path):
            try:
                node = node[part]
            except (KeyError, IndexError, TypeError):
                return path if is_missing and depth == len(path) - 1 else path[:depth]
        return path

    def _from_pydantic(self, model: type[BaseModel], error: Mapping[str, Any], path: KeyPath) -> Problem:
        name = str(path[-1]) if path else ""
        if error["type"] == "extra_forbidden":
            return self.problem(
                f"unknown key {name!r}", path, advise(name, _fields_at(model, path[:-1]), "key")
            )
        if error["type"] == "missing":
            return self.problem(f"key {name!r} is missing", path, f"add {name!r} here")
        if error["type"] == "tuple_type":
            value = error["input"]
            return self.problem(f"{name}: this is no list: {value}", path, f"write [{value}]", value=True)
        what = str(error["msg"]).removeprefix("Value error, ")
        return self.problem(f"{name}: {what}", path, "correct the value", value=True)


def plain(node: Any) -> Any:
    """The YAML content as plain dicts, lists and scalars."""
    if isinstance(node, Mapping):
        return {str(key): plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [plain(value) for value in node]
    return node


def keys_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The keys a file may have for a model, as they are written in it."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _fields_at(model: type[BaseModel], path: KeyPath) -> list[str]:
    """The keys allowed in the model found by walking `path` down from `model`."""
    current: type[BaseModel] | None = model
    for part in path:
        if current is None:
            return []
        if isinstance(part, int):
            continue
        field = keys_of(current).get(part)
        current = _model_in(field.annotation) if field else None
    return list(keys_of(current)) if current else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The pydantic model inside an annotation such as `Restart | None` or `tuple[Stage, ...]`."""
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return annotation if issubclass(annotation, BaseModel) else None
    for argument in typing.get_args(annotation):
        found = _model_in(argument)
        if found is not None:
            return found
    return None

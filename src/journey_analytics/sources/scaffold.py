"""Writes a drafted project to a folder, as files that a person reads and corrects."""

from __future__ import annotations

import glob
import os
import re
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.compat import StringIO

from journey_analytics.errors import ConfigError, Problem
from journey_analytics.sources.draft import Draft, source_name


def write_project(draft: Draft, folder: Path) -> list[Path]:
    """Write journey.yaml, the source mapping and the stage rules, and return their paths.

    Raises:
        ConfigError: the folder holds a project already.
    """
    if (folder / "journey.yaml").exists():
        raise ConfigError(
            Problem(
                "this folder holds a project already", str(folder), "name a folder that does not exist yet"
            )
        )
    (folder / "sources").mkdir(parents=True, exist_ok=True)
    mapping_path = f"sources/{draft.name}.yaml"
    texts = {
        "journey.yaml": _journey(draft, mapping_path, source_name(folder.resolve().name)),
        mapping_path: _mapping(draft, folder),
        "stages.yaml": _stages(draft),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in texts]


def _journey(draft: Draft, mapping_path: str, project: str) -> str:
    content = CommentedMap(
        project=project,
        timezone="UTC",
        stage_model="seven_stage",
        conversion=_flow(stage=draft.conversion_stage, window="30d"),
        sources=[mapping_path],
    )
    content.yaml_set_start_comment("Drafted; correct what is wrong. `journey run -p` on this folder runs it.")
    content.yaml_add_eol_comment("the zone in which your days begin, for example Europe/Berlin", "timezone")
    return _text(content)


def _mapping(draft: Draft, folder: Path) -> str:
    content = CommentedMap(source=draft.name)
    patterns = [_from_project(pattern, folder) for pattern in draft.mapping["files"]]
    for key, value in draft.mapping.items():
        if key == "files":
            content[key] = patterns[0] if len(patterns) == 1 else patterns
        elif key == "key":
            content[key] = CommentedSeq(value)
            content[key].fa.set_flow_style()
        else:
            content[key] = CommentedMap(value) if isinstance(value, dict) else value
    comment = "Drafted. `journey sources check` shows what these lines make of the files."
    if draft.gaps:
        comment += "\nTo be filled in under columns: " + ", ".join(draft.gaps)
        if "key" not in content and "event_id" not in draft.mapping["columns"]:
            comment += "; and event_id, or the columns that are unique together under key."
    content.yaml_set_start_comment(comment)
    return _text(content)


def _stages(draft: Draft) -> str:
    rules = CommentedSeq()
    used: set[str] = set()
    for name, stage, word in draft.rules:
        if stage is None:
            continue
        rule = CommentedMap(rule=_rule_name(name, used), stage=stage, when=_flow(event_name=name))
        rule.yaml_add_eol_comment(f"because of {word!r}", "stage")
        rules.append(rule)
    if not rules:
        rules.append(
            CommentedMap(rule="everything", stage="interest", when=_flow(event_name=_flow(exists=True)))
        )
    content = CommentedMap(rules=rules)
    unknown = [name for name, stage, _ in draft.rules if stage is None]
    comment = "Drafted from the event names; the first rule that matches wins."
    if unknown:
        comment += "\nNo stage was found for: " + ", ".join(unknown)
    content.yaml_set_start_comment(comment)
    return _text(content)


def _rule_name(event_name: str, used: set[str]) -> str:
    base = re.sub(r"[^a-z0-9]+", "_", event_name.lower()).strip("_") or "rule"
    name, number = base, 2
    while name in used:
        name, number = f"{base}_{number}", number + 1
    used.add(name)
    return name


def _from_project(pattern: str, folder: Path) -> str:
    """The pattern, relative where its files lie beside or below the project, else absolute."""
    relative = os.path.relpath(pattern, glob.escape(str(folder.resolve())))
    return relative if relative.count("..") <= 1 else pattern


def _flow(**content: Any) -> CommentedMap:
    mapping = CommentedMap(content)
    mapping.fa.set_flow_style()
    return mapping


def _text(content: CommentedMap) -> str:
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 110
    stream = StringIO()
    yaml.dump(content, stream)
    return str(stream.getvalue())

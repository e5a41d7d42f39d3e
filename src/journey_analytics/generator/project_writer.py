"""The project that runs on the generated files: journey.yaml, a mapping for each source, stage rules.

Belongs here: copying the files of `project_files/` and adding what depends on the arguments.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import polars as pl

from journey_analytics.generator.files import FileFormat, pattern


def write_project(folder: Path, frames: dict[str, pl.DataFrame], timezone: str, format_: FileFormat) -> None:
    """Write the project's files.

    Args:
        folder: of the project.
        frames: some rows of each source that has files; a format without a header declares their columns.
        timezone: of the shop.
        format_: of the files.
    """
    shipped = files("journey_analytics") / "generator" / "project_files"
    mappings = [f"sources/{source}.yaml" for source in frames]
    settings = (shipped / "journey.yaml").read_text(encoding="utf-8")
    listed = "\n".join(f"  - {mapping}" for mapping in mappings)
    _write(folder / "journey.yaml", settings.format(timezone=timezone, sources=listed))
    _write(folder / "stages.yaml", (shipped / "stages.yaml").read_text(encoding="utf-8"))
    for source, mapping in zip(frames, mappings, strict=True):
        text = (shipped / mapping).read_text(encoding="utf-8")
        lines = [f"source: {source}", f"format: {format_}", f"files: {pattern(source, format_)}"]
        if format_ == "jsonl":
            declared = ", ".join(f"{column}: VARCHAR" for column in frames[source].columns)
            lines.append(f"fields: {{{declared}}}")
        _write(folder / mapping, text.replace(f"source: {source}", "\n".join(lines)))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")

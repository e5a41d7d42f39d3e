"""The command that writes the reference pages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from journey_analytics.cli.terminal import AsJson, examples, output, print_json
from journey_analytics.errors import EXIT_DONE

app = App()


@app.command(help_epilogue=examples("journey docs reference"))
def docs(
    folder: Annotated[Path, Parameter(help="Folder for the pages; made when it is not there.")],
    *,
    as_json: AsJson = False,
) -> int:
    """Write the reference as Markdown: what the marts hold, the keys of a project's files, the commands."""
    from journey_analytics import cli
    from journey_analytics.reference.commands import commands
    from journey_analytics.reference.dictionary import data_dictionary
    from journey_analytics.reference.project_files import project_files

    pages = {
        "data_dictionary.md": data_dictionary(),
        "project_files.md": project_files(),
        "commands.md": commands(cli.app),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages.items():
        (folder / name).write_text(text, encoding="utf-8")
    paths = [folder / name for name in pages]
    if as_json:
        print_json({"pages": paths})
    else:
        output().print("wrote " + ", ".join(map(str, paths)), soft_wrap=True, highlight=False)
    return EXIT_DONE

"""The command `journey`: arguments in, one call, text out. Results on stdout, messages on stderr.

Belongs here: the commands and how they print, a module for each group of them.
Does not belong here: anything another program could want.
Rooms that take long to import are imported inside the command that needs them.
"""

from __future__ import annotations

import sys
from pathlib import Path

from cyclopts import App, CycloptsError, UnusedCliTokensError

from journey_analytics import __version__
from journey_analytics.cli import (
    alerts,
    docs,
    erase,
    funnel,
    generate,
    history,
    journeys,
    marts,
    nights,
    quality,
    quarantine,
    report,
    rules_on_data,
    runs,
    sources,
)
from journey_analytics.cli.terminal import messages
from journey_analytics.errors import EXIT_DONE, EXIT_USAGE, JourneyError, exit_code_of, notes_of
from journey_analytics.stopping import stopped_by_signals

app = App(
    name="journey",
    help="""Infer customer journeys from behaviour data: stages, funnels and drop-off, as Parquet marts.

    Start with `journey demo`, or `journey run -p FOLDER` on a project folder that holds a journey.yaml.

    Exit codes: 0 done, 1 done but warned under --strict, or `rules check`, `rules test` or `rules coverage
    --min` found something, 2 wrong usage or configuration, 3 a gate or an input file failed, or published
    files are damaged, 4 a check could not be evaluated, or `memory_limit` is too small, 5 another run holds
    the project, 6 no success within the time asked for (`journey status --max-age`), 70 a fault of the
    product (--debug, which every command takes, prints its traceback to report), 74 the machine refused (disk
    full or broken), 130 stopped by Ctrl-C, 143 stopped by SIGTERM.
    """,
    version=f"journey {__version__}",
    version_flags=["--version"],
    # told apart from other signals below
    suppress_keyboard_interrupt=False,
)
marts.marts_app.update(history.app)
for group in (
    runs, nights, quality, report, sources, quarantine, rules_on_data, marts, alerts, journeys, funnel,
    generate, erase, docs,
):  # fmt: skip
    app.update(group.app)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and end the process with its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    if debug:
        words.remove("--debug")
    sys.exit(_call(words, debug=debug))


def _call(words: list[str], *, debug: bool) -> int:
    try:
        with stopped_by_signals():
            outcome = app(words, exit_on_error=False, print_error=True, result_action="return_value")
    except UnusedCliTokensError as error:
        folders = [word for word in error.unused_tokens or () if Path(word).is_dir()]
        if folders:
            messages.print(
                f"  do:    name the project with -p: -p {folders[0]}", markup=False, soft_wrap=True
            )
        return EXIT_USAGE
    except CycloptsError:
        return EXIT_USAGE
    except JourneyError as error:
        if debug:
            raise
        messages.print(error.describe(), markup=False, highlight=False, soft_wrap=True)
        return error.exit_code
    except KeyboardInterrupt as stop:
        messages.print("; ".join([str(stop) or "stopped", *notes_of(stop)]))
        return exit_code_of(stop)
    except Exception as error:  # the last resort, so that no traceback reaches a user
        if debug:
            raise
        lines = [
            f"unexpected {type(error).__name__}: {error}",
            "  do:    run the command again with --debug and report what it prints",
            *notes_of(error),
        ]
        messages.print(
            "\n".join(lines),
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
        return exit_code_of(error)
    return outcome if isinstance(outcome, int) else EXIT_DONE

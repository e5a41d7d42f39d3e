"""One browser for all pages of a worker, and pages that may not reach any network."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, sync_playwright

from journey_analytics.marts import Snapshot
from tests.browser.projects import write_odd, write_single
from tests.conftest import run_project

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_INSIDE = ("data:", "blob:", "about:")
SIZES = {"wide": (1400, 1000), "phone": (390, 844)}


@dataclass
class Opened:
    """A page, and what went on in it that should not."""

    page: Page
    complaints: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The machine's own Chromium; closed with the module: its event loop confuses Prefect."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        pytest.skip(f"no browser is installed (looked for {', '.join(_NAMES)})")
    # Chromium refuses its sandbox to root
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=arguments)
        yield started
        started.close()


@pytest.fixture
def opened(browser: Browser) -> Iterator[Callable[..., Opened]]:
    """Open a file, wide and light unless said; every message, fault and request is a complaint."""
    contexts = []

    def open_file(path: Path, size: str = "wide", scheme: str = "light") -> Opened:
        width, height = SIZES[size]
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce"
        )
        contexts.append(context)
        page = context.new_page()
        address = path.resolve().as_uri()
        seen = Opened(page)

        def judge(route: Route) -> None:
            if route.request.url == address:
                route.continue_()
            else:
                seen.complaints.append(f"request: {route.request.url}")
                route.abort()

        page.route("**/*", judge)
        page.on("request", lambda r: _note_request(seen, r.url, address))
        page.on("console", lambda message: seen.complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: seen.complaints.append(f"fault: {error}"))
        page.goto(address)
        return seen

    yield open_file
    for context in contexts:
        context.close()


def _note_request(seen: Opened, url: str, address: str) -> None:
    if url != address and not url.startswith(_INSIDE):
        seen.complaints.append(f"request: {url}")


@pytest.fixture(scope="session")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """A run over events with names of every kind."""
    return run_project(write_odd(tmp_path_factory.mktemp("odd") / "project"))


@pytest.fixture(scope="session")
def single(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """A run over one journey."""
    return run_project(write_single(tmp_path_factory.mktemp("single") / "project"))


def report_of(snapshot: Snapshot) -> Path:
    """The report of a snapshot's project."""
    return snapshot.folder.parents[2] / "reports" / "report.html"

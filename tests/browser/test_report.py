"""report.html in a real browser: quiet, complete, equal to its tables, usable without a mouse, readable."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from journey_analytics.marts import Snapshot
from journey_analytics.query import query
from journey_analytics.reports.wording import NOTHING, count, length, percent
from tests.browser.conftest import SIZES, Opened, report_of
from tests.browser.projects import ARABIC, CHANNELS, EMOJI_STAGE, LONG, SCRIPT
from tests.conftest import journey

pytestmark = pytest.mark.slow

Open = Callable[..., Opened]

_FOCUSED = "document.activeElement"
_READ = """figure => {
  const words = cell => (cell.querySelector('button.open > span') ?? cell).textContent.trim();
  const table = figure.querySelector('table');
  const traces = figure.querySelector('.chart').data ?? [];
  return {
    chart: figure.dataset.chart,
    is_hidden: figure.hidden,
    heads: [...table.tHead.rows[0].cells].map(cell => cell.dataset.key),
    rows: [...table.tBodies[0].rows].map(row => [...row.cells].map(words)),
    marks: figure.querySelectorAll('.chart .main-svg :is(path, image, rect)').length,
    traces: JSON.parse(JSON.stringify(traces.map(({x, y, z, link, node}) => ({x, y, z, link, node})))),
  };
}"""


def figures(page: Page) -> list[dict[str, Any]]:
    """Every figure with a chart: its table as a reader sees it, and what Plotly was given."""
    found = [figure.evaluate(_READ) for figure in page.query_selector_all("figure[data-chart]")]
    for figure in found:
        figure["columns"] = dict(zip(figure["heads"], zip(*figure["rows"], strict=True), strict=True))
    return found


def drawn_words(figure: dict[str, Any]) -> list[tuple[str, ...]]:
    """The numbers of a chart, worded as its table words them."""
    traces = figure["traces"]
    match figure["chart"]:
        case "stack":
            return [tuple(map(count, trace["x"])) for trace in traces]
        case "heat":
            return [tuple(map(percent, row)) for row in traces[0]["z"]]
        case "trend":
            return [tuple(map(percent, trace["y"])) for trace in traces[:4]]
        case "range":
            return [tuple(length(round(10**x - 1, 6)) for x in traces[2]["x"])]
        case "sankey":
            return [tuple(map(count, traces[0]["link"]["value"]))]
        case "bars":
            return [tuple(map(count, traces[0]["x"]))]
        case other:
            raise AssertionError(other)


def told_words(figure: dict[str, Any]) -> list[tuple[str, ...]]:
    """The same numbers as the table shows them."""
    columns = figure["columns"]
    match figure["chart"]:
        case "stack":
            return [columns["continued"], columns["dropped"], columns["open"]]
        case "heat":
            return [tuple(row[2:]) for row in figure["rows"]]
        case "trend":
            banded = [n for n, high in enumerate(columns["high"]) if high != NOTHING]
            edges = (tuple(columns[key][n] for n in banded) for key in ("low", "high", "usual"))
            return [*edges, columns["rate"]]
        case "range":
            return [columns["p50"]]
        case "sankey":
            return [columns["transitions"]]
        case "bars":
            return [columns["journeys"]]
        case other:
            raise AssertionError(other)


def test_every_number_of_a_chart_is_the_one_of_its_table(odd: Snapshot, opened: Open) -> None:
    page = opened(report_of(odd)).page
    kinds = set()
    for view in ("progressive", "touched", "closed"):
        page.locator(f".switch label:has(input[value={view}])").click()
        for figure in figures(page):
            if figure["is_hidden"]:
                continue
            kinds.add(figure["chart"])
            assert figure["marks"], figure["chart"]
            assert drawn_words(figure) == told_words(figure)
    assert kinds == {"stack", "heat", "trend", "range", "sankey", "bars"}


def test_the_bars_of_a_time_reach_from_the_middle_to_95_in_100(odd: Snapshot, opened: Open) -> None:
    (figure,) = [f for f in figures(opened(report_of(odd)).page) if f["chart"] == "range"]
    thin, thick, _ = figure["traces"]
    for trace, key in ((thin, "p95"), (thick, "p75")):
        ends = [length(round(10**x - 1, 6)) for x in trace["x"][1::3]]
        assert tuple(ends) == figure["columns"][key]


def test_bands_lead_from_and_to_the_stages_of_their_rows(odd: Snapshot, opened: Open) -> None:
    (figure,) = [f for f in figures(opened(report_of(odd)).page) if f["chart"] == "sankey"]
    link, names = figure["traces"][0]["link"], figure["traces"][0]["node"]["label"]
    order = ["(start)", "awareness", EMOJI_STAGE, "purchase"]
    for row, source, target in zip(figure["rows"], link["source"], link["target"], strict=True):
        goes_back = row[1] in order and order.index(row[1]) < order.index(row[0])
        assert names[source] == row[0]
        assert names[target] == ("back to an earlier stage" if goes_back else row[1])
    assert any(names[target] == "back to an earlier stage" for target in link["target"])


@pytest.mark.parametrize("project", ["odd", "single"])
@pytest.mark.parametrize("size", SIZES)
def test_the_page_is_quiet_fits_and_reaches_no_network(
    project: str, size: str, request: pytest.FixtureRequest, opened: Open
) -> None:
    seen = opened(report_of(request.getfixturevalue(project)), size)
    page = seen.page
    assert page.evaluate("document.documentElement.scrollWidth") == SIZES[size][0]
    for button in page.query_selector_all("button.open")[:1]:
        button.click()
        page.keyboard.press("Escape")
    page.emulate_media(color_scheme="dark")
    assert page.locator("figure[data-chart]:visible .chart .main-svg").count()
    assert seen.complaints == []
    assert "NaN" not in page.inner_text("body")
    assert "undefined" not in page.inner_text("body")


def test_names_from_events_are_shown_as_they_are_and_never_run(odd: Snapshot, opened: Open) -> None:
    page = opened(report_of(odd)).page
    assert page.evaluate("document.scripts.length") == 2
    told = page.locator("#channels tbody th").all_text_contents()
    assert {SCRIPT, ARABIC, LONG, "a & b <b>bold</b>", "it's %{x} `$home`"} <= set(told)
    drawn = page.locator("#channels .chart .yaxislayer-above text").all_text_contents()
    assert drawn == [name if len(name) <= 30 else f"{name[:29]}…" for name in told]
    assert page.locator("#funnel .chart .yaxislayer-above text").all_text_contents()[1] == EMOJI_STAGE
    right_to_left = page.locator("#channels tbody bdi", has_text=ARABIC)
    assert right_to_left.evaluate("bdi => getComputedStyle(bdi).unicodeBidi") == "isolate"


def test_the_days_of_an_alert_are_marked_and_a_day_without_events_is_a_gap(
    odd: Snapshot, opened: Open
) -> None:
    page = opened(report_of(odd)).page
    figure, *_ = [f for f in figures(page) if f["chart"] == "trend"]
    days, rates = figure["columns"]["day"], figure["columns"]["rate"]
    marked = [day for day, word in zip(days, figure["columns"]["alert"], strict=True) if word == "alert"]
    assert marked[0] == "2026-05-10"
    assert len(marked) >= 8
    assert figure["traces"][4]["x"] == marked
    assert rates[days.index("2026-04-10")] == NOTHING


@pytest.mark.parametrize("share", ["0.0", "1.0"])
def test_an_axis_of_shares_shows_none_that_there_cannot_be(
    share: str, odd: Snapshot, opened: Open, tmp_path: Path
) -> None:
    """Where the share is 0 % or 100 % on all days."""
    before, trends, after = re.split(r'(?=<section id="(?:trends|times)")', report_of(odd).read_text("utf-8"))
    page = tmp_path / "report.html"
    page.write_text(
        before + re.sub(r'data-value="[01]\.[^"]*"', f'data-value="{share}"', trends) + after, "utf-8"
    )
    charts = "figure[data-chart=trend] .chart"
    ranges = opened(page).page.evaluate(
        f"[...document.querySelectorAll('#trends {charts}')].map(one => one.layout.yaxis.range)"
    )
    assert ranges
    assert all(0 <= low <= float(share) <= high <= 1 and low < high for low, high in ranges)


def test_an_alert_opens_to_its_journeys(odd: Snapshot, opened: Open) -> None:
    page = opened(report_of(odd)).page
    card = page.locator(".alert").first
    assert SCRIPT in card.locator("h3").inner_text()
    behind = card.locator("details").last
    behind.locator("summary").click()
    told = int(behind.locator("summary").inner_text().rpartition(" ")[2].replace(",", ""))
    shown = behind.locator("tbody th").all_inner_texts()
    assert len(shown) == 20
    command = shlex.split(behind.locator("code").inner_text())
    listed = journey(*command[1:], "-p", str(odd.folder.parents[2]), "--json")
    assert listed.returncode == 0, listed.stderr
    found = {row["journey_id"] for row in json.loads(listed.stdout)}
    assert len(found) == told
    assert found >= set(shown)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("page_name", ["mail.html", "index.html"])
def test_the_other_pages_are_quiet_and_fit(page_name: str, size: str, odd: Snapshot, opened: Open) -> None:
    seen = opened(report_of(odd).with_name(page_name), size)
    assert seen.page.evaluate("document.documentElement.scrollWidth") == SIZES[size][0]
    assert seen.complaints == []
    if page_name == "mail.html":
        assert SCRIPT in seen.page.locator("h2").first.inner_text()
        seen.page.set_viewport_size({"width": 375, "height": 667})
        assert seen.page.evaluate("document.documentElement.scrollWidth") == 375
    violations = Axe().run(seen.page).response["violations"]
    assert [one["id"] for one in violations if one["impact"] in ("serious", "critical")] == []


def test_rows_put_together_keep_the_sum(odd: Snapshot, opened: Open) -> None:
    """Forty of sixty channels have a row of their own."""
    page = opened(report_of(odd)).page
    (figure,) = [f for f in figures(page) if f["chart"] == "heat"]
    assert len(figure["rows"]) == 41
    assert figure["rows"][-1][0] == "(20 other channels)"
    journeys = sum(int(number.replace(",", "")) for number in figure["columns"]["journeys"])
    assert journeys == query(odd, "select count(*) from mart_journeys").item()
    assert len(CHANNELS) == 60


@pytest.mark.parametrize("way", ["table", "chart"])
def test_a_number_opens_to_its_journeys(way: str, odd: Snapshot, opened: Open) -> None:
    page = opened(report_of(odd)).page
    button = page.locator("#channels button.open" + ("[data-sample]" if way == "table" else "")).first
    if way == "table":
        page.locator("#channels summary").click()
        button.click()
    else:
        page.locator("#channels .chart .nsewdrag").click(position={"x": 20, "y": 15})
    dialog = page.locator("dialog")
    assert dialog.is_visible()
    stage, channel = button.get_attribute("data-stage"), button.get_attribute("data-channel")
    assert dialog.locator("h2").inner_text() == f"{stage}, {channel}"
    figures_told = dict(
        zip(dialog.locator("dt").all_inner_texts(), dialog.locator("dd").all_inner_texts(), strict=True)
    )
    dropped = int(figures_told["dropped"])
    assert dropped
    command = shlex.split(dialog.locator("code").inner_text())
    listed = journey(*command[1:], "-p", str(odd.folder.parents[2]), "--json", "--limit", "10000")
    assert listed.returncode == 0, listed.stderr
    found = json.loads(listed.stdout)
    assert found["count"] == dropped
    if way == "chart":
        return
    shown = dialog.locator("#opened-sample tbody th").all_inner_texts()
    assert len(shown) == min(dropped, 20)
    assert shown == [row["journey_id"] for row in found["journeys"][: len(shown)]]


@pytest.mark.parametrize("width", [1400, 1000, 768])
def test_the_journeys_of_a_number_fit_their_window(width: int, odd: Snapshot, opened: Open) -> None:
    """All their columns, from a tablet on."""
    page = opened(report_of(odd)).page
    page.set_viewport_size({"width": width, "height": 800})
    page.locator("#channels summary").click()
    page.locator("#channels button.open[data-sample]").first.click()
    cut = page.locator("#opened-sample .wide").evaluate("wide => wide.scrollWidth - wide.clientWidth")
    assert cut == 0


_BROKEN_DAYS = """() => {
  const broken = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    for (const { index } of walk.currentNode.data.matchAll(/\\d{4}-\\d\\d-\\d\\d/g)) {
      const day = document.createRange();
      day.setStart(walk.currentNode, index);
      day.setEnd(walk.currentNode, index + 10);
      const lines = new Set([...day.getClientRects()].filter(({ width }) => width).map(({ top }) => top));
      if (lines.size > 1) broken.push(walk.currentNode.data);
    }
  }
  return broken;
}"""


@pytest.mark.parametrize("page_name", ["report.html", "mail.html", "quality.html", "index.html"])
def test_no_line_ends_inside_a_day(page_name: str, odd: Snapshot, opened: Open) -> None:
    """Whatever the width of the phone."""
    page = opened(report_of(odd).with_name(page_name), "phone").page
    page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true; })")
    for width in range(320, 420, 5):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate(_BROKEN_DAYS) == [], width


def test_everything_is_reached_and_used_by_keyboard_alone(odd: Snapshot, opened: Open) -> None:
    page = opened(report_of(odd)).page
    press = page.keyboard.press

    def focus() -> str:
        return page.evaluate(
            f"(({{className, type, localName}}) => className || type || localName)({_FOCUSED})"
        )

    press("Tab")
    assert focus() == "skip"
    press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    while focus() != "radio":
        press("Tab")
    assert page.locator("figure[data-view=progressive]").is_visible()
    press("ArrowRight")
    assert page.locator("figure[data-view=touched]").is_visible()
    assert page.locator("figure[data-view=progressive]").is_hidden()
    press("Tab")
    assert focus() == "summary"
    is_open = "document.activeElement.parentElement.open"
    before = page.evaluate(is_open)
    press("Enter")
    assert page.evaluate(is_open) is not before
    press("Enter")
    while focus() != "open":
        press("Tab")
    name = page.evaluate("document.activeElement.dataset.stage")
    press("Enter")
    assert page.locator("dialog").is_visible()
    assert page.evaluate("document.querySelector('dialog').contains(document.activeElement)")
    press("Escape")
    assert page.locator("dialog").is_hidden()
    assert page.evaluate("document.activeElement.dataset.stage") == name


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(size: str, scheme: str, odd: Snapshot, opened: Open) -> None:
    page = opened(report_of(odd), size, scheme).page
    found = Axe().run(page).response["violations"]
    assert [
        (one["id"], one["nodes"][0]["html"][:200])
        for one in found
        if one["impact"] in ("serious", "critical")
    ] == []
    page.locator("#funnel button.open:visible").first.click()
    found = Axe().run(page, context="dialog").response["violations"]
    assert [
        (one["id"], one["nodes"][0]["html"][:200])
        for one in found
        if one["impact"] in ("serious", "critical")
    ] == []


def test_charts_follow_the_colours_of_the_page(odd: Snapshot, opened: Open) -> None:
    page = opened(report_of(odd)).page
    ground = "document.querySelector('#funnel .chart').layout.paper_bgcolor"
    assert page.evaluate(ground) == "#ffffff"
    page.emulate_media(color_scheme="dark")
    told = page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--ground')").strip()
    assert told != "#ffffff"
    # the page forbids eval, which `wait_for_function` needs
    for _ in range(100):
        if page.evaluate(ground) != "#ffffff":
            break
        page.wait_for_timeout(50)
    assert page.evaluate(ground) == told


def test_paper_shows_every_table_and_charts_that_fit(odd: Snapshot, opened: Open) -> None:
    page = opened(report_of(odd), scheme="dark").page
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    tables = page.locator("main table")
    assert all(tables.nth(number).is_visible() for number in range(tables.count()))
    widths = page.evaluate(
        "[...document.querySelectorAll('.chart .main-svg')].map(svg => svg.getBoundingClientRect().width)"
    )
    assert max(widths) <= 680
    # A4 less its margins; nothing is cut off there
    page.set_viewport_size({"width": 718, "height": 1000})
    assert page.evaluate("document.documentElement.scrollWidth") == 718
    assert set(
        page.evaluate("[...document.querySelectorAll('.chart')].map(chart => chart.layout.paper_bgcolor)")
    ) == {"#ffffff", "#f5f7f9"}
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("figure[data-view=touched]").is_hidden()
    # the outline of a PDF is its headings, as text
    pdf = page.pdf(format="A4", tagged=True, outline=True)
    titles = {title.decode() for title in re.findall(rb"/Title \(([^)]*)\)", pdf)}
    assert {"How far journeys come", "What follows what", "What the numbers mean"} <= titles

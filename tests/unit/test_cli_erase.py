"""The command that erases: what it tells, what it asks, and the pages it leaves."""

from __future__ import annotations

import html
import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import CHECKOUT, copy_project, journey

_CUSTOMER = "bob"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny project, run, with its report."""
    folder = copy_project(CHECKOUT / "tests" / "projects" / "tiny", tmp_path_factory.mktemp("erase") / "tiny")
    # late enough for journeys to have ended, which the page shows
    assert journey("run", "--date", "2026-05-20", "-p", str(folder)).returncode == 0
    return folder


@pytest.fixture
def shop(published: Path, tmp_path: Path) -> str:
    """A copy of it."""
    return str(shutil.copytree(published, tmp_path / "shop"))


def _touchpoints(shop: str) -> int:
    counted = journey(
        "query", "-p", shop, "--json",
        f"select count(*) as n from mart_touchpoints where customer_id = '{_CUSTOMER}'",
    )  # fmt: skip
    return int(json.loads(counted.stdout)[0]["n"])


def test_looking_tells_and_leaves_everything(shop: str) -> None:
    before = _touchpoints(shop)
    looked = journey("erase", "--customer", _CUSTOMER, "--dry-run", "-p", shop)
    assert looked.returncode == 0
    assert looked.stderr.startswith("would go: 1 customer with 1 id\n")
    assert "  web.csv" in looked.stderr.splitlines()
    assert looked.stdout == ""
    assert _touchpoints(shop) == before > 0


def test_a_page_that_shows_the_customer_is_made_anew(shop: str) -> None:
    """At once, from the snapshot without it; the sums on it are those of the next run."""
    page = Path(shop, "reports", "report.html")
    assert f"<bdi>{_CUSTOMER}</bdi>" in page.read_text(encoding="utf-8")
    erased = journey("erase", "--customer", _CUSTOMER, "--yes", "--reference", "request 7", "-p", shop)
    assert erased.returncode == 0, erased.stderr
    assert f"next: journey run -p {shop}" in erased.stderr
    proof = json.loads(Path(erased.stdout.strip()).read_text(encoding="utf-8"))
    assert proof["reference"] == "request 7"
    assert proof["removed"]["reports"] == 2
    assert f"<bdi>{_CUSTOMER}</bdi>" not in page.read_text(encoding="utf-8")
    assert _touchpoints(shop) == 0
    assert journey("marts", "verify", "-p", shop).returncode == 0
    ran = journey("run", "--date", "2026-05-20", "-p", shop)
    assert ran.returncode == 0, ran.stderr
    assert "rows of customers who were erased" in ran.stderr
    assert "made anew: customers were erased" in ran.stderr


def test_a_file_with_nothing_but_rows_of_theirs_stops_no_run(shop: str) -> None:
    assert journey("erase", "--customer", _CUSTOMER, "--yes", "-p", shop).returncode == 0
    header, *rows = Path(shop, "input", "web.csv").read_text(encoding="utf-8").splitlines()
    theirs = [row for row in rows if f",{_CUSTOMER}," in row]
    Path(shop, "input", "web-again.csv").write_text("\n".join([header, *theirs, ""]), encoding="utf-8")
    ran = journey("run", "--date", "2026-05-20", "-p", shop)
    assert ran.returncode == 0, ran.stderr
    assert _touchpoints(shop) == 0


def test_a_bad_row_among_rows_of_theirs_is_judged_as_any_other(shop: str) -> None:
    """Of a hundred rows that came ninety-nine are gone, and one is bad."""
    assert journey("erase", "--customer", _CUSTOMER, "--yes", "-p", shop).returncode == 0
    rows = [f"x{number},2026-01-06 08:00:00,visit,{_CUSTOMER},ads," for number in range(99)]
    text = "\n".join(["id,ts,action,customer,channel,amount", *rows, "y,soon,visit,ann,ads,", ""])
    Path(shop, "input", "web-again.csv").write_text(text, encoding="utf-8")
    ran = journey("run", "--date", "2026-05-20", "-p", shop)
    assert ran.returncode == 0, ran.stderr


def test_a_sentence_that_quotes_a_whole_line_of_theirs_goes(shop: str) -> None:
    """In the status, the record, the manifest and the pages: the warning names the line."""
    with Path(shop, "input", "web.csv").open("a", encoding="utf-8") as file:
        file.write(f"b3,{_CUSTOMER},too,few\n")
    said = f"b3,{_CUSTOMER},too,few"
    ran = journey("run", "--date", "2026-05-20", "-p", shop)
    assert ran.returncode in (0, 3), ran.stderr
    places = [*Path(shop, "marts").rglob("*.json"), *Path(shop, "reports").glob("*.html")]
    assert [path.name for path in places if said in html.unescape(path.read_text(encoding="utf-8"))]
    assert journey("erase", "--customer", _CUSTOMER, "--yes", "-p", shop).returncode == 0
    places = [*Path(shop, "marts").rglob("*.json"), *Path(shop, "reports").glob("*.html")]
    assert not [path.name for path in places if said in html.unescape(path.read_text(encoding="utf-8"))]
    told = journey("quality", "-p", shop)
    assert said not in told.stdout + told.stderr


def test_when_nobody_is_left_the_run_says_so(shop: str) -> None:
    everybody = [word for name in ("ann", "bob", "cyd") for word in ("--customer", name)]
    assert journey("erase", *everybody, "--yes", "-p", shop).returncode == 0
    ran = journey("run", "-p", shop)
    assert ran.returncode == 3
    assert "no event is left" in ran.stderr


def test_programs_get_the_proof_without_its_hashes(shop: str, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    # as editors on Windows write it
    names.write_text(f"{_CUSTOMER}\n\ncyd\n{_CUSTOMER}\n", encoding="utf-8-sig")
    erased = journey("erase", "--customers-file", str(names), "--yes", "--json", "-p", shop)
    assert erased.returncode == 0, erased.stderr
    told = json.loads(erased.stdout)
    assert told["customers"] == 2
    assert told["is_done"] is True
    assert told["input_files"] == ["web.csv"]
    assert not {"salt", "ids_hashed", "events"} & told.keys()
    assert Path(shop, "store", "erasures", f"{told['erasure']}.json").is_file()


def test_without_anybody_to_ask_it_must_be_said(shop: str) -> None:
    refused = subprocess.run(
        [sys.executable, "-m", "journey_analytics", "erase", "--customer", _CUSTOMER, "-p", shop],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert refused.returncode == 2
    assert "nobody is there to be asked" in refused.stderr
    assert _touchpoints(shop) > 0


@pytest.mark.parametrize(("answer", "code"), [("n", 2), ("", 2), ("y", 0)])
def test_a_person_is_asked(shop: str, answer: str, code: int) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "journey_analytics", "erase", "--customer", _CUSTOMER, "-p", shop],
        stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as asked:  # fmt: skip
        os.close(theirs)
        os.write(ours, f"{answer}\n".encode())
        _, told = asked.communicate(timeout=120)
    os.close(ours)
    assert asked.returncode == code, told
    assert "erase? There is no way back. [y/N]" in told
    assert ("nothing was done" in told) is (code != 0)
    assert (_touchpoints(shop) == 0) is (code == 0)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "no customer is named"),
        (["--customers-file", "nowhere.txt"], "the file of customers cannot be read"),
        (["--customer", "nobody", "--yes"], "nothing is held of 'nobody'"),
        (["--customer", "ann", "--customer", "amn", "--yes"], "no event is of 'amn'"),
        (["--customer", "ann", "--reference", "for ann", "--yes"], "the proof would name who was erased"),
    ],
)
def test_wrong_usage_is_told(shop: str, words: list[str], told: str) -> None:
    refused = journey("erase", *words, "-p", shop)
    assert refused.returncode == 2
    assert told in refused.stderr

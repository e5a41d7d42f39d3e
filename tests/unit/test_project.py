"""A project folder: what is read, and every complaint about journey.yaml and what it names."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from journey_analytics.errors import ConfigError
from journey_analytics.project import Project, Settings, read_project
from tests.unit.files import told, write

_JOURNEY = """\
project: shop
timezone: Europe/Berlin
conversion: {stage: purchase, window: 30d}
journey:
  inactivity: 90d
  restart: {after: purchase, on: [awareness], cool_down: 7d}
sources: [sources/web.yaml]
"""
_STAGES = """\
rules:
  - rule: order
    stage: purchase
    when: {event_name: order}
  - rule: visit
    stage: awareness
    when: {event_name: visit}
"""
_WEB = """\
source: web
format: csv
files: in.csv
columns: {occurred_at: ts, event_id: id, event_name: name, customer_ref: who}
"""


def _project(folder: Path, journey: str = _JOURNEY, stages: str = _STAGES, web: str = _WEB) -> Path:
    write(folder / "journey.yaml", journey)
    write(folder / "stages.yaml", stages)
    write(folder / "sources" / "web.yaml", web)
    return folder


def _refused(folder: Path) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        read_project(folder)
    return caught.value


def _with(old: str, new: str) -> str:
    assert _JOURNEY.count(old) == 1
    return _JOURNEY.replace(old, new)


def test_a_project_is_read_with_its_defaults(tmp_path: Path) -> None:
    """Settings, sources, stage model, rules and paths."""
    project: Project = read_project(_project(tmp_path))
    settings = project.settings
    assert settings.session_timeout == timedelta(minutes=30)
    assert settings.conversion.window == timedelta(days=30)
    assert (settings.stage_model, settings.marts.keep) == ("seven_stage", 30)
    assert [source.name for source in project.sources] == ["web"]
    assert project.stage_map.observed_stages == ["awareness", "purchase"]
    assert project.marts_folder == tmp_path / "marts"
    assert str(project.zone) == "Europe/Berlin"


_DECIDES = {
    "timezone": _with("Europe/Berlin", "Europe/Vienna"),
    "stage_model": _JOURNEY + "stage_model: five_stage\n",
    "stages": _JOURNEY + "stages: other.yaml\n",
    "further_stages": _JOURNEY + "further_stages: [aida_ra]\n",
    "conversion": _with("window: 30d", "window: 31d"),
    "session_timeout": _JOURNEY + "session_timeout: 31m\n",
    "journey": _with("inactivity: 90d", "inactivity: 91d"),
    "identity": _JOURNEY + "identity: {max_ids: 51}\n",
    "sources": _with("sources/web.yaml", "sources/other.yaml"),
    "channels": _JOURNEY + "channels: channels.yaml\n",
}
_DECIDES_NOTHING = {
    "project": _with("shop", "laden"),
    "memory_limit": _JOURNEY + "memory_limit: 2GB\n",
    "threads": _JOURNEY + "threads: 1\n",
    "marts": _JOURNEY + "marts: {folder: there, keep: 3}\n",
    "reports": _JOURNEY + "reports: {keep: 3}\n",
    "notify": _JOURNEY + "notify: {to: ['json://localhost']}\n",
    "quality": _JOURNEY
    + "quality: {accept: [{check: events of web, date: 2026-05-01, why: x}], unusual_days: [2026-05-02]}\n",
}
_ONE_VALUE = {"engine"}


def _hash(folder: Path, journey: str = _JOURNEY, stages: str = _STAGES, web: str = _WEB) -> str:
    _project(folder, journey, stages, web)
    write(folder / "other.yaml", stages)
    write(folder / "sources" / "other.yaml", web.replace("web", "app"))
    write(folder / "channels.yaml", "own_hosts: [shop.example]\n")
    return read_project(folder).config_sha256


def test_every_setting_that_decides_a_number_changes_the_hash_of_a_project(tmp_path: Path) -> None:
    """A new key of journey.yaml must be put on one side or the other."""
    assert Settings.model_fields.keys() == _DECIDES.keys() | _DECIDES_NOTHING.keys() | _ONE_VALUE
    hashes = [_hash(tmp_path, journey) for journey in (_JOURNEY, *_DECIDES.values())]
    assert len(set(hashes)) == len(hashes)


def test_a_setting_that_decides_no_number_leaves_the_hash_of_a_project(tmp_path: Path) -> None:
    plain = _hash(tmp_path)
    assert {key: _hash(tmp_path, text) for key, text in _DECIDES_NOTHING.items()} == dict.fromkeys(
        _DECIDES_NOTHING, plain
    )
    assert _hash(tmp_path, _JOURNEY + "# a comment\n") == plain


def test_a_mapping_and_rules_change_the_hash_of_a_project(tmp_path: Path) -> None:
    """But not where the files of a source lie, nor how late they may come."""
    plain = _hash(tmp_path)
    assert _hash(tmp_path, web=_WEB.replace("in.csv", "in*.csv") + "late_window: 3d\n") == plain
    assert _hash(tmp_path, web=_WEB.replace("id, ", "nr, ")) != plain
    assert _hash(tmp_path, stages=_STAGES.replace("event_name: visit", "event_name: click")) != plain
    first, last = _STAGES.removeprefix("rules:\n").split("  - rule: visit")
    assert _hash(tmp_path, stages=f"rules:\n  - rule: visit{last}{first}") != plain


def test_another_shipped_stage_model_changes_the_hash_of_a_project(tmp_path: Path) -> None:
    """A stage that is no longer required moves the closed funnel, and stands in no file of the project."""
    project = read_project(_project(tmp_path))
    stage_map = project.stage_map
    first, *others = stage_map.model.stages
    other = first.model_copy(update={"required": not first.required})
    model = stage_map.model.model_copy(update={"stages": (other, *others)})
    changed = replace(project, stage_maps=(replace(stage_map, model=model),))
    assert changed.config_sha256 != project.config_sha256


@pytest.mark.parametrize(
    "stages",
    [
        "# why\n" + _STAGES.replace("stage: purchase", "stage:   purchase  # paid"),
        _STAGES.replace("    when: {event_name: order}", "    when:\n      event_name: 'order'"),
        _STAGES.replace("  - rule: order\n    stage: purchase\n", "  - stage: purchase\n    rule: order\n"),
        _STAGES + "tests:\n  - {event: {event_name: order}, stage: purchase}\n",
    ],
)
def test_how_rules_are_written_leaves_the_hash_of_a_project(tmp_path: Path, stages: str) -> None:
    """Comments, white space, quotes, the order of keys; nor do tests of rules decide a number."""
    assert stages != _STAGES
    assert _hash(tmp_path, stages=stages) == _hash(tmp_path)
    web = "# why\n" + _WEB.replace("source: web\nformat: csv\n", "format: csv\nsource: web\n")
    assert _hash(tmp_path, web=web) == _hash(tmp_path)
    channels = _JOURNEY + "channels: channels.yaml\n"
    plain = _hash(tmp_path, channels)
    write(tmp_path / "channels.yaml", "# why\nown_hosts: [ shop.example ]\n")
    assert read_project(tmp_path).config_sha256 == plain


def test_a_folder_without_journey_yaml_names_the_projects_below(tmp_path: Path) -> None:
    """The usual slip is to stand one folder too high."""
    _project(tmp_path / "shop")
    error = _refused(tmp_path)
    assert told(error)[0][1] == "this folder holds no journey.yaml"
    assert error.problems[0].where == str(tmp_path)
    assert error.problems[0].do.endswith("; there is one in: shop")


def test_a_folder_that_does_not_exist_is_told_as_such(tmp_path: Path) -> None:
    """And not as one without a file."""
    error = _refused(tmp_path / "none")
    assert error.problems[0].what == "this folder does not exist"
    assert error.exit_code == 2


def test_a_misspelt_key_is_named_with_the_closest(tmp_path: Path) -> None:
    """At any depth."""
    error = _refused(_project(tmp_path, _with("inactivity", "inactivty")))
    assert told(error) == [("journey.yaml:5:3", "unknown key 'inactivty'")]
    assert error.problems[0].do.startswith("use 'inactivity' (closest known key)")
    error = _refused(_project(tmp_path, _with("cool_down", "cooldown")))
    assert ("journey.yaml:6:47", "unknown key 'cooldown'") in told(error)
    assert ("journey.yaml:6:3", "key 'cool_down' is missing") in told(error)


@pytest.mark.parametrize(
    ("old", "new", "place", "what"),
    [
        (
            "Europe/Berlin",
            "Europe/Berlim",
            "journey.yaml:2:11",
            "timezone: unknown time zone 'Europe/Berlim'; use 'Europe/Berlin' (closest",
        ),
        ("window: 30d", "window: 30", "journey.yaml:3:39", "window: 30 is not a duration"),
        ("project: shop", "project: ''", "journey.yaml:1:10", "project: String should have"),
        ("[sources/web.yaml]", "[]", "journey.yaml:7:10", "sources: Tuple should have at least 1"),
        ("on: [awareness]", "on: []", "journey.yaml:6:34", "on: Tuple should have at least 1"),
        ("project: shop", "project: shop\nmarts: {keep: 0}", "journey.yaml:2:15", "keep: Input should"),
        ("project: shop", "project: shop\nmemory_limit: lots", "journey.yaml:2:15", "memory_limit: "),
        ("project: shop", "project: shop\nengine: spark9", "journey.yaml:2:9", "engine: Input should"),
    ],
)
def test_a_wrong_value_is_told_at_the_value(
    tmp_path: Path, old: str, new: str, place: str, what: str
) -> None:
    """With what it may be."""
    ((where, found),) = told(_refused(_project(tmp_path, _with(old, new))))
    assert where == place
    assert found.startswith(what)


def test_unknown_stages_are_named_with_the_closest(tmp_path: Path) -> None:
    """In the conversion and in the restart, each at its value."""
    journey = (
        _with("stage: purchase", "stage: purchse")
        .replace("after: purchase", "after: usag")
        .replace("[awareness]", "[awareness, intrest]")
    )
    error = _refused(_project(tmp_path, journey))
    complaint = "unknown stage {!r} in stage model 'seven_stage'"
    assert told(error) == [
        ("journey.yaml:3:21", complaint.format("purchse")),
        ("journey.yaml:6:20", complaint.format("usag")),
        ("journey.yaml:6:42", complaint.format("intrest")),
    ]
    assert [problem.do.split(" (")[0] for problem in error.problems] == [
        "use 'purchase'",
        "use 'usage'",
        "use 'interest'",
    ]


def test_an_unknown_stage_model_is_named_with_the_closest(tmp_path: Path) -> None:
    """Unless stages.yaml brings one of its own."""
    journey = _with("project: shop", "project: shop\nstage_model: seven_stages")
    error = _refused(_project(tmp_path, journey))
    assert ("journey.yaml:2:14", "unknown stage model 'seven_stages'") in told(error)
    assert "use 'seven_stage' (closest known stage model)" in str(error)


def test_missing_files_are_named_with_the_closest(tmp_path: Path) -> None:
    """Mappings at their place in the list; the stage rules by their path."""
    folder = _project(tmp_path, _with("[sources/web.yaml]", "[sources/web.yaml, sources/wep.yaml]"))
    error = _refused(folder)
    assert told(error) == [("journey.yaml:7:29", "source mapping 'sources/wep.yaml' does not exist")]
    assert error.problems[0].do.startswith("use 'sources/web.yaml' (closest known file)")
    folder = _project(tmp_path, _JOURNEY + "stages: stagse.yaml\n")
    assert told(_refused(folder)) == [("stagse.yaml", "the file does not exist")]


def test_a_source_mapped_twice_is_refused(tmp_path: Path) -> None:
    """Two files, one source name: their events would share keys."""
    folder = _project(tmp_path, _with("[sources/web.yaml]", "[sources/web.yaml, sources/b.yaml]"))
    write(folder / "sources" / "b.yaml", _WEB)
    assert told(_refused(folder)) == [("journey.yaml:7:1", "source 'web' is mapped twice")]


def test_faults_of_several_files_come_together(tmp_path: Path) -> None:
    """One command, all that is wrong."""
    folder = _project(
        tmp_path,
        _with("stage: purchase", "stage: purchse"),
        _STAGES.replace("stage: awareness", "stage: awarenes"),
        _WEB.replace("files", "fils"),
    )
    places = [place for place, _ in told(_refused(folder))]
    assert sorted(places) == [
        "journey.yaml:3:21",
        "stages.yaml:6:12",
        "web.yaml:1:1",
        "web.yaml:3:1",
    ]


def test_a_fault_of_journey_yaml_hides_none_of_the_other_files(tmp_path: Path) -> None:
    """All problems of all files together."""
    stages = _STAGES.replace("stage: awareness", "stage: awarenes")
    folder = _project(tmp_path, _with("inactivity", "inactivty"), stages)
    assert {place for place, _ in told(_refused(folder))} == {"journey.yaml:5:3", "stages.yaml:6:12"}


def test_problems_of_a_file_come_in_the_order_of_its_lines(tmp_path: Path) -> None:
    """As a reader of the file meets them."""
    journey = "projet: x\n" + _JOURNEY.replace("Europe/Berlin", "Europe/Berlim")
    places = [place for place, _ in told(_refused(_project(tmp_path, journey)))]
    assert places == ["journey.yaml:1:1", "journey.yaml:3:11"]


@pytest.mark.parametrize(
    ("further", "what", "advice"),
    [
        ("[aida]", "'aida' is neither a stages file nor a shipped stage model", "use 'aida_ra'"),
        ("[stage.yaml]", "'stage.yaml' is neither a stages file", "use 'stages.yaml'"),
        ("[five_stage, five_stage]", "stage model 'five_stage' is applied twice", "name of its own"),
        ("[seven_stage]", "stage model 'seven_stage' is applied twice", "name of its own"),
    ],
)
def test_a_further_stage_model_is_a_file_or_a_shipped_one_and_once(
    tmp_path: Path, further: str, what: str, advice: str
) -> None:
    """At its place in the list."""
    text = f"{_JOURNEY}further_stages: {further}\n"
    with pytest.raises(ConfigError) as caught:
        read_project(_project(tmp_path, journey=text))
    (problem,) = caught.value.problems
    assert problem.what.startswith(what)
    assert advice in problem.do
    line = text.splitlines().index(f"further_stages: {further}") + 1
    assert f"journey.yaml:{line}:" in problem.where


def test_further_stage_models_are_read_with_their_rules(tmp_path: Path) -> None:
    """From a file with a model of its own, and a shipped one by its name."""
    folder = _project(tmp_path, journey=f"{_JOURNEY}further_stages: [two.yaml, cx_lifecycle]\n")
    (folder / "two.yaml").write_text(
        "stage_model: {name: two, stages: [{stage: before}, {stage: after}]}\n"
        "rules:\n  - {rule: order, stage: after, when: {event_name: order}}\n",
        encoding="utf-8",
    )
    project = read_project(folder)
    assert [found.model.name for found in project.stage_maps] == ["seven_stage", "two", "cx_lifecycle"]
    assert project.stage_map.model.name == "seven_stage"
    hashed = project.config_sha256
    text = (folder / "two.yaml").read_text(encoding="utf-8")
    (folder / "two.yaml").write_text(text.replace("event_name: order", "event_name: sale"), encoding="utf-8")
    assert read_project(folder).config_sha256 != hashed


@pytest.mark.parametrize(
    ("key", "advice"),
    [("ticket", "use a known column"), ("sesion_ref", "use 'session_ref'"), ("revenue", "no text column")],
)
def test_a_journey_key_is_a_text_column_or_a_property(tmp_path: Path, key: str, advice: str) -> None:
    """Anything else is named with what could be meant."""
    text = _JOURNEY.replace("inactivity: 90d", f"inactivity: 90d\n  key: {key}")
    with pytest.raises(ConfigError) as caught:
        read_project(_project(tmp_path, journey=text))
    (problem,) = caught.value.problems
    assert f"{key!r} is no text column of a touchpoint" in problem.what
    assert advice in problem.what
    for name in ("session_ref", "properties.ticket_id"):
        text = _JOURNEY.replace("inactivity: 90d", f"inactivity: 90d\n  key: {name}")
        assert read_project(_project(tmp_path, journey=text)).settings.journey.key == name


@pytest.mark.parametrize(
    ("check", "near"),
    [
        ("event of web", "events of web"),
        ("events of wbe", "events of web"),
        ("chanel email of web", "channel email of web"),
        ("stage purchse of web", "stage purchase of web"),
        ("missing devise in page_view of web", "missing device in page_view of web"),
        ("corrections of web", None),
        # there is but one source
        ("events of all sources", None),
    ],
)
def test_a_check_to_accept_that_there_cannot_be_is_told_at_its_place(
    tmp_path: Path, check: str, near: str | None
) -> None:
    """When the file is read, with the closest name, beside other faults of the same list."""
    _project(
        tmp_path,
        _JOURNEY + "quality:\n  accept:\n"
        f"    - {{why: closed, date: 2026-05-01, check: {check}}}\n    - {{check: clock of web, why: x}}\n",
    )
    error = _refused(tmp_path)
    line = _JOURNEY.count("\n") + 3
    assert [place for place, _ in told(error)] == [f"journey.yaml:{line + 1}:7", f"journey.yaml:{line}:46"]
    assert f"there is no check '{check}' to accept" in str(error)
    assert (f"use {near!r} (closest known check)" if near else "checks are: events, freshness") in str(error)


@pytest.mark.parametrize(
    "check",
    [
        "events of web",
        "mean revenue of web",
        "clock of web",
        "channel e of mail of web",
        "event order placed of web",
        "stage (unmapped) of web",
        "missing device in page in view of web",
    ],
)
def test_a_check_to_accept_that_there_can_be_is_read(tmp_path: Path, check: str) -> None:
    """Of channels and events whatever they are called: only the data knows them."""
    accept = f"quality: {{accept: [{{check: {check}, date: 2026-05-01, why: closed}}]}}\n"
    assert read_project(_project(tmp_path, _JOURNEY + accept)).settings.quality.accept[0].check == check

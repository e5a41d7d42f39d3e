"""YAML files: positions, and problems told at their place."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, Field

from journey_analytics.errors import ConfigError, StageRuleError
from journey_analytics.yaml_file import YamlFile, plain
from tests.unit.files import advice, told, write


class _Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    days: int


class _Span(BaseModel):
    model_config = ConfigDict(extra="forbid")
    first: int = Field(alias="from")
    last: int = Field(alias="to")


class _Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    parts: tuple[_Inner, ...] = ()
    limit: _Inner | None = None
    spans: tuple[_Span, ...] = ()


def test_a_place_is_where_the_key_or_its_value_stands(tmp_path: Path) -> None:
    """Lines and columns count from 1."""
    file = YamlFile(write(tmp_path / "a.yaml", "name: shop\nparts:\n  - days: 3\n  - days: 44\n"))
    assert str(file.place(("parts", 1, "days"))).endswith("a.yaml:4:5")
    assert str(file.place(("parts", 1, "days"), value=True)).endswith("a.yaml:4:11")
    assert str(file.place(("parts", 0))).endswith("a.yaml:3:5")


def test_a_missing_key_is_placed_at_its_nearest_parent(tmp_path: Path) -> None:
    """That is where it has to be added."""
    file = YamlFile(write(tmp_path / "a.yaml", "name: x\nlimit:\n  days: 1\n"))
    assert str(file.place(("limit", "hours"))).endswith("a.yaml:2:1")
    assert str(file.place(("nothing", "at", "all"))).endswith("a.yaml:1:1")


def test_all_problems_of_a_file_come_together(tmp_path: Path) -> None:
    """A misspelt key, a missing one and a wrong value, each at its place."""
    text = "parts:\n  - dayz: 3\nlimit:\n  days: soon\n"
    with pytest.raises(ConfigError) as caught:
        YamlFile(write(tmp_path / "a.yaml", text)).validate(_Outer)
    assert sorted(told(caught.value)) == [
        ("a.yaml:1:1", "key 'name' is missing"),
        ("a.yaml:2:5", "key 'days' is missing"),
        ("a.yaml:2:5", "unknown key 'dayz'"),
        (
            "a.yaml:4:9",
            "days: Input should be a valid integer, unable to parse string as an integer",
        ),
    ]


def test_the_closest_key_is_that_of_the_model_at_the_place(tmp_path: Path) -> None:
    """Inside a list and inside an optional part too."""
    for text in ("name: a\nparts:\n  - days: 1\n    dais: 3\n", "name: a\nlimit: {days: 1, dais: 2}\n"):
        with pytest.raises(ConfigError) as caught:
            YamlFile(write(tmp_path / "a.yaml", text)).validate(_Outer)
        assert advice(caught.value) == "use 'days' (closest known key); known: days"


def test_known_keys_are_told_as_they_are_written(tmp_path: Path) -> None:
    """`from` and `to`, whatever the model calls them."""
    text = "name: a\nspans:\n  - {from: 1, to: 2, last: 3}\n"
    with pytest.raises(ConfigError) as caught:
        YamlFile(write(tmp_path / "a.yaml", text)).validate(_Outer)
    assert told(caught.value) == [("a.yaml:3:22", "unknown key 'last'")]
    assert advice(caught.value) == "use a known key; known: from, to"


def test_one_value_where_a_list_belongs_is_shown_as_a_list(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        YamlFile(write(tmp_path / "a.yaml", "name: a\nspans: soon\n")).validate(_Outer)
    assert told(caught.value) == [("a.yaml:2:8", "spans: this is no list: soon")]
    assert advice(caught.value) == "write [soon]"


def test_invalid_yaml_is_told_with_its_place(tmp_path: Path) -> None:
    """The parser's own words, and where."""
    with pytest.raises(StageRuleError) as caught:
        YamlFile(write(tmp_path / "a.yaml", "name: [1, 2\nnext: 3\n"), StageRuleError)
    ((place, what),) = told(caught.value)
    assert place == "a.yaml:2:5"
    assert what.startswith("this is not valid YAML")


def test_a_key_given_twice_is_refused(tmp_path: Path) -> None:
    """Otherwise one of the two would win in silence."""
    with pytest.raises(ConfigError) as caught:
        YamlFile(write(tmp_path / "a.yaml", "name: 1\nother: 2\nname: 3\n"))
    ((place, what),) = told(caught.value)
    assert place == "a.yaml:3:1"
    assert 'found duplicate key "name"' in what


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "the file is empty"),
        (b"# only a comment\n", "the file is empty"),
        (b"- a\n- b\n", "the file is not a list of keys"),
        (b"name: \xff\xfe\n", "the file cannot be read"),
    ],
)
def test_a_file_without_keys_is_refused(tmp_path: Path, content: bytes, what: str) -> None:
    """With the file named."""
    path = tmp_path / "a.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        YamlFile(path)
    assert told(caught.value)[0][1].startswith(what)
    assert str(path) in caught.value.problems[0].where


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """So is a folder in its place."""
    with pytest.raises(ConfigError) as caught:
        YamlFile(tmp_path / "none.yaml")
    assert told(caught.value) == [("none.yaml", "the file does not exist")]
    with pytest.raises(ConfigError, match="cannot be read"):
        YamlFile(tmp_path)


def test_a_control_character_is_refused(tmp_path: Path) -> None:
    """YAML does not allow it, and copying from a terminal brings it."""
    with pytest.raises(ConfigError):
        YamlFile(write(tmp_path / "a.yaml", "name: a\x07\n"))


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    """Editors on Windows write one."""
    path = tmp_path / "a.yaml"
    path.write_bytes("\ufeffname: shop\n".encode())
    assert plain(YamlFile(path).content) == {"name": "shop"}

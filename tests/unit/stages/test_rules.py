"""Stage rules as written: what is read, and every complaint with its place and its advice."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from textwrap import indent

import pytest

from journey_analytics.errors import StageRuleError
from journey_analytics.stages.conditions import Comparison, Group
from journey_analytics.stages.rules import Earlier, Occurrence, Reach
from journey_analytics.stages.stage_models import Stage, StageModel
from journey_analytics.stages.stages_file import read_stages
from tests.unit.files import advice, told, write

_MODEL = StageModel(
    name="tiny", stages=tuple(Stage(stage=name) for name in ("awareness", "purchase", "loyalty"))
)
_ORDER = "- rule: order\n  stage: purchase\n  when: {event_name: order}\n"


def _read(tmp_path: Path, rules: str) -> tuple[object, ...]:
    text = "rules:\n" + indent(rules, "  ")
    return read_stages(write(tmp_path / "stages.yaml", text), _MODEL).rules


def _refused(tmp_path: Path, rules: str) -> StageRuleError:
    with pytest.raises(StageRuleError) as caught:
        _read(tmp_path, rules)
    return caught.value


def _refused_when(tmp_path: Path, when: str) -> tuple[str, str, str]:
    """Place, complaint and advice about the `when` of a rule; it begins at stages.yaml:4:11."""
    error = _refused(tmp_path, f"- rule: r\n  stage: purchase\n  when: {when}\n")
    ((place, what),) = told(error)
    return place, what, advice(error)


def test_a_rule_is_read_with_its_conditions_and_its_context(tmp_path: Path) -> None:
    """Every part of the language once."""
    rules = """\
- rule: repeat
  stage: loyalty
  when:
    event_name: [order, renewal]
    not: {channel: store}
    any:
      - revenue: {gte: 10, lt: 20}
      - page_path: {starts_with: /vip}
  after: {stage: purchase, within: 30d}
  not_after: {event_name: refund}
  occurrence: {gte: 2, within: 1w}
- rule: noise
  ignore: true
  when: {properties.bot: {exists: true}}
"""
    repeat, noise, _ = _read(tmp_path, rules + _ORDER)
    assert repeat.when == Group(
        "all",
        (
            Comparison("event_name", "in", ["order", "renewal"]),
            Group("not", (Comparison("channel", "equals", "store"),)),
            Group(
                "any",
                (
                    Group(
                        "all",
                        (Comparison("revenue", "gte", 10), Comparison("revenue", "lt", 20)),
                    ),
                    Comparison("page_path", "starts_with", "/vip"),
                ),
            ),
        ),
    )
    assert repeat.earlier == (
        Earlier("purchase", None, Reach(timedelta(days=30))),
        Earlier(None, Comparison("event_name", "equals", "refund"), is_wanted=False),
    )
    assert repeat.occurrence == Occurrence(2, Reach(timedelta(days=7)))
    assert repeat.has_context
    assert not repeat.ignores
    assert noise.ignores
    assert not noise.has_context


def test_stages_of_the_file_go_before_the_shipped_model(tmp_path: Path) -> None:
    """A project may bring its own."""
    path = write(
        tmp_path / "stages.yaml",
        """\
        stage_model:
          name: own
          stages: [{stage: look}, {stage: buy}]
        rules:
          - rule: order
            stage: buy
            when: {event_name: order}
        """,
    )
    found = read_stages(path, _MODEL)
    assert found.model.names == ["look", "buy"]
    assert found.rules[0].stage == "buy"


def test_no_stage_model_at_all_is_refused(tmp_path: Path) -> None:
    """Neither in the file nor shipped."""
    with pytest.raises(StageRuleError) as caught:
        read_stages(write(tmp_path / "stages.yaml", "rules: []\n"), None)
    assert told(caught.value) == [("stages.yaml:1:1", "no stage model is given")]


@pytest.mark.parametrize("text", ["rules: []\n", "rules:\n", "{}\n"])
def test_no_rules_are_refused(tmp_path: Path, text: str) -> None:
    """Without a rule every touchpoint would be unmapped."""
    with pytest.raises(StageRuleError) as caught:
        read_stages(write(tmp_path / "stages.yaml", text), _MODEL)
    assert told(caught.value) == [("stages.yaml:1:1", "there are no stage rules")]


@pytest.mark.parametrize("text", ["rules: {a: b}\n", "rules: x\n"])
def test_rules_are_a_list(tmp_path: Path, text: str) -> None:
    """Their order decides."""
    with pytest.raises(StageRuleError) as caught:
        read_stages(write(tmp_path / "stages.yaml", text), _MODEL)
    assert told(caught.value) == [("stages.yaml:1:1", "'rules' is a list of rules")]


def test_an_unknown_key_is_named_with_the_closest(tmp_path: Path) -> None:
    """At the key."""
    error = _refused(tmp_path, _ORDER + "  aftr: {stage: purchase}\n")
    assert told(error) == [("stages.yaml:5:5", "unknown key 'aftr'")]
    assert advice(error).startswith("use 'after' (closest known key)")


def test_an_unknown_stage_is_named_with_the_closest(tmp_path: Path) -> None:
    """At its value, in `stage` and in `after`."""
    error = _refused(tmp_path, "- rule: r\n  stage: purchse\n  when: {event_name: order}\n")
    assert told(error) == [("stages.yaml:3:12", "unknown stage 'purchse' in stage model 'tiny'")]
    assert advice(error) == ("use 'purchase' (closest known stage); known: awareness, purchase, loyalty")
    error = _refused(tmp_path, _ORDER + "  not_after: {stage: loyaltie}\n")
    assert told(error) == [("stages.yaml:5:24", "unknown stage 'loyaltie' in stage model 'tiny'")]


def test_a_name_given_twice_is_refused(tmp_path: Path) -> None:
    """With the line of the first."""
    error = _refused(tmp_path, _ORDER + _ORDER)
    assert told(error) == [("stages.yaml:5:5", "stage rule 'order' is named twice (first on line 2)")]


def test_a_rule_without_when_is_refused(tmp_path: Path) -> None:
    """It would take everything by accident."""
    error = _refused(tmp_path, "- rule: r\n  stage: purchase\n")
    assert told(error) == [("stages.yaml:2:5", "stage rule 'r' has no 'when'")]


@pytest.mark.parametrize("when", ["{}", "[a]", "order", ""])
def test_a_when_without_a_column_is_refused(tmp_path: Path, when: str) -> None:
    """An empty condition holds always."""
    place, what, _ = _refused_when(tmp_path, when)
    assert (place, what) == ("stages.yaml:4:5", "conditions are 'column: value' keys")


@pytest.mark.parametrize("name", ["", "rule: 5", "rule: ''"])
def test_a_rule_without_a_name_is_refused(tmp_path: Path, name: str) -> None:
    """Names are what reports and coverage speak of."""
    error = _refused(tmp_path, f"- stage: purchase\n  when: {{event_name: order}}\n  {name}\n")
    assert [what for _, what in told(error)] == ["a rule needs a name"]


def test_a_rule_that_is_no_list_of_keys_is_refused(tmp_path: Path) -> None:
    """With the keys it may have."""
    error = _refused(tmp_path, "- order\n")
    assert told(error) == [("stages.yaml:2:5", "a rule is a list of keys")]
    assert "not_after" in advice(error)


@pytest.mark.parametrize("gives", ["stage: purchase\n  ignore: true", "ignore: false", "owner: me"])
def test_a_rule_gives_either_a_stage_or_nothing(tmp_path: Path, gives: str) -> None:
    """Both, or neither, is a mistake."""
    error = _refused(tmp_path, f"- rule: r\n  {gives}\n  when: {{event_name: order}}\n")
    complaint = ("stages.yaml:2:5", "stage rule 'r' needs either a stage or 'ignore: true'")
    assert complaint in told(error)


def test_ignore_is_true_or_false(tmp_path: Path) -> None:
    """YAML 1.2 reads `yes` as text."""
    error = _refused(tmp_path, "- rule: r\n  ignore: yes\n  when: {event_name: order}\n")
    assert ("stages.yaml:3:13", "ignore is true or false") in told(error)


def test_an_unknown_column_is_named_with_the_closest(tmp_path: Path) -> None:
    """Nested ones too; a property needs a name."""
    place, what, do = _refused_when(tmp_path, "{any: [{evnt_name: order}]}")
    assert (place, what) == ("stages.yaml:4:19", "unknown column 'evnt_name'")
    assert do.startswith("use 'event_name' (closest known column)")
    assert _refused_when(tmp_path, "{properties.: x}")[1] == "unknown column 'properties.'"


def test_an_unknown_test_is_named_with_the_closest(tmp_path: Path) -> None:
    """At the test."""
    place, what, do = _refused_when(tmp_path, "{page_path: {start_with: /a}}")
    assert (place, what) == ("stages.yaml:4:24", "unknown test 'start_with' of column 'page_path'")
    assert do.startswith("use 'starts_with' (closest known test)")


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("'(a'", "missing ), unterminated subpattern"),
        ("'[a'", "unterminated character set"),
        ("'*a'", "nothing to repeat"),
        (r"'\d+'", "means different things to different engines"),
        ("'(?i)a'", "means different things to different engines"),
        ("'a+?'", "means different things to different engines"),
        ("'a{2}'", "means different things to different engines"),
    ],
)
def test_a_regular_expression_must_be_good_and_portable(tmp_path: Path, pattern: str, reason: str) -> None:
    """Both engines must read it alike."""
    place, what, do = _refused_when(tmp_path, f"{{page_path: {{matches: {pattern}}}}}")
    assert place == "stages.yaml:4:33"
    assert what.startswith("bad regular expression: ")
    assert reason in what
    assert do == "use [0-9] classes, anchors, groups and * + ? only"


@pytest.mark.filterwarnings("ignore:Possible:FutureWarning")
@pytest.mark.parametrize("pattern", ["'a++'", "'a?+'", "'[[:alpha:]]'", "'[a-z&&b]'"])
def test_a_regular_expression_that_engines_read_differently_is_refused(tmp_path: Path, pattern: str) -> None:
    """Possessive repeats break RE2; classes inside classes mean one thing to it and another to Java."""
    assert _refused_when(tmp_path, f"{{page_path: {{matches: {pattern}}}}}")


def test_a_regular_expression_may_be_so_long(tmp_path: Path) -> None:
    """1,000 characters pass, one more does not."""
    _read(tmp_path, f"- rule: r\n  stage: purchase\n  when: {{page_path: {{matches: {'a' * 1000}}}}}\n")
    place, what, do = _refused_when(tmp_path, f"{{page_path: {{matches: {'a' * 1001}}}}}")
    assert (place, what) == (
        "stages.yaml:4:24",
        "the regular expression is 1,001 characters long",
    )
    assert "1,000" in do


@pytest.mark.parametrize(
    ("when", "column", "what"),
    [
        ("{revenue: high}", 21, "revenue is a number, not 'high'"),
        ("{revenue: true}", 21, "revenue is a number, not True"),
        ("{revenue: {gt: '5'}}", 26, "revenue is a number, not '5'"),
        ("{revenue: {contains: 5}}", 22, "'contains' compares text, and revenue is a number"),
        ("{channel: {gt: 5}}", 22, "'gt' compares numbers, and channel is text"),
        ("{channel: {lt: ads}}", 22, "'lt' compares numbers, and channel is text"),
        ("{properties.x: {gt: many}}", 27, "'gt' needs a number, not 'many'"),
        ("{properties.x: [a, [b]]}", 30, "['b'] is not a value to compare with"),
        ("{revenue: [1, two]}", 25, "revenue is a number, not 'two'"),
    ],
)
def test_text_and_numbers_are_not_compared(tmp_path: Path, when: str, column: int, what: str) -> None:
    """Such a condition would never hold."""
    assert _refused_when(tmp_path, when)[:2] == (f"stages.yaml:4:{column}", what)


@pytest.mark.parametrize(
    ("written", "read", "advised"),
    [
        ("404", "a number", "'404'"),
        ("0x1F", "a number", "'0x1F'"),
        ("true", "the truth value true", "'true'"),
        ("True", "the truth value true", "'True'"),
        ("1.50", "a number", "'1.50'"),
        ("2026-03-01", "a date", "'2026-03-01'"),
        ("null", "nothing", "'null'"),
    ],
)
def test_a_value_that_yaml_reads_as_no_text_needs_quotes(
    tmp_path: Path, written: str, read: str, advised: str
) -> None:
    """The advice says how to write it, in the spelling of the file."""
    place, what, do = _refused_when(tmp_path, f"{{event_name: {written}}}")
    assert (place, what) == ("stages.yaml:4:24", f"event_name is text, and YAML reads {written} as {read}")
    assert do == f"put it in quotes: {advised}"
    assert _refused_when(tmp_path, f"{{event_name: [order, {written}]}}")[:2] == ("stages.yaml:4:32", what)


@pytest.mark.parametrize("word", ["no", "Yes", "on", "OFF"])
def test_words_are_text_unless_the_file_says_yaml_1_1(tmp_path: Path, word: str) -> None:
    """There they become truth values, also where a property may be one; the mend names the word."""
    rule = "- rule: r\n  stage: purchase\n  when: {%s: %s}\n"
    (read,) = _read(tmp_path, rule % ("country", word))
    assert read.when == Comparison("country", "equals", word)
    for column, what in (
        ("country", "country is text, and YAML reads"),
        ("properties.vip", "YAML 1.1 reads"),
    ):
        text = "%YAML 1.1\n---\nrules:\n" + indent(rule % (column, word), "  ")
        with pytest.raises(StageRuleError) as caught:
            read_stages(write(tmp_path / "stages.yaml", text), _MODEL)
        ((place, told_of),) = told(caught.value)
        assert place == f"stages.yaml:6:{14 + len(column)}"
        assert told_of.startswith(f"{what} {word} as the truth value")
        assert advice(caught.value).startswith(f"put it in quotes: '{word}'")


def test_an_empty_list_is_refused(tmp_path: Path) -> None:
    """It never holds."""
    place, what, _ = _refused_when(tmp_path, "{event_name: []}")
    assert (place, what) == ("stages.yaml:4:12", "event_name in an empty list never holds")
    assert _refused_when(tmp_path, "{any: []}")[1] == "'any' takes a list of conditions"
    assert _refused_when(tmp_path, "{all: {event_name: a}}")[1] == "'all' takes a list of conditions"


def test_not_in_an_empty_list_is_refused_too(tmp_path: Path) -> None:
    """It would hold always, and not every engine knows an empty list."""
    assert "empty list" in _refused_when(tmp_path, "{event_name: {not: []}}")[1]


def test_a_list_is_for_in_and_not_only(tmp_path: Path) -> None:
    """A range of a list means nothing."""
    assert _refused_when(tmp_path, "{revenue: {gt: [1, 2]}}")[:2] == (
        "stages.yaml:4:26",
        "'gt' takes one value",
    )


def test_exists_is_true_or_false(tmp_path: Path) -> None:
    """At the value."""
    assert _refused_when(tmp_path, "{page_path: {exists: maybe}}")[:2] == (
        "stages.yaml:4:32",
        "exists is true or false",
    )


def test_a_duration_without_a_unit_is_refused(tmp_path: Path) -> None:
    """In a context and in an occurrence."""
    for key in ("not_after: {stage: purchase, within: 30}", "occurrence: {gte: 2, within: 30}"):
        error = _refused(tmp_path, _ORDER + f"  {key}\n")
        ((place, what),) = told(error)
        assert place == f"stages.yaml:5:{5 + key.index('30')}"
        assert what.startswith("30 is not a duration")


@pytest.mark.parametrize("entry", ["purchase", "{}", "{within: 3d}", "{stage: purchase, event_name: a}"])
def test_a_context_names_a_stage_or_columns(tmp_path: Path, entry: str) -> None:
    """One of them, and not both."""
    error = _refused(tmp_path, _ORDER + f"  after: {entry}\n")
    ((place, what),) = told(error)
    assert place == "stages.yaml:5:5"
    assert what in (
        "'after' names a stage or columns",
        "'after' takes either a stage or columns of the earlier touchpoint",
    )


def test_the_stage_of_a_context_needs_a_rule_without_one(tmp_path: Path) -> None:
    """Else the context would wait for itself."""
    rules = "- rule: again\n  stage: loyalty\n  when: {event_name: a}\n  after: {stage: loyalty}\n"
    error = _refused(tmp_path, rules)
    assert told(error) == [
        (
            "stages.yaml:5:5",
            "stage rule 'again' looks back at stage 'loyalty', which no rule without a context gives",
        )
    ]


def test_a_context_is_not_blamed_for_the_fault_of_the_rule_it_needs(tmp_path: Path) -> None:
    """One fault, one complaint: the stage has its plain rule, with a misspelt column."""
    rules = (
        "- rule: order\n  stage: purchase\n  when: {evnt_name: order}\n"
        "- rule: again\n  stage: loyalty\n  when: {event_name: a}\n  after: {stage: purchase}\n"
    )
    assert told(_refused(tmp_path, rules)) == [("stages.yaml:4:12", "unknown column 'evnt_name'")]


@pytest.mark.parametrize(
    ("entry", "place", "what"),
    [
        ("{gte: 1}", "stages.yaml:5:18", "gte is a whole number from 2, not 1"),
        ("{gte: two}", "stages.yaml:5:18", "gte is a whole number from 2, not 'two'"),
        ("{gte: true}", "stages.yaml:5:18", "gte is a whole number from 2, not True"),
        ("{within: 3d}", "stages.yaml:5:5", "'occurrence' needs a count"),
        ("3", "stages.yaml:5:5", "'occurrence' needs a count"),
        ("{gte: 2, witin: 3d}", "stages.yaml:5:26", "unknown key 'witin'"),
    ],
)
def test_an_occurrence_counts_from_two(tmp_path: Path, entry: str, place: str, what: str) -> None:
    """The first of its kind needs no context."""
    assert told(_refused(tmp_path, _ORDER + f"  occurrence: {entry}\n")) == [(place, what)]


def test_several_faults_of_one_file_come_together(tmp_path: Path) -> None:
    """Each at its own line and column."""
    rules = """\
- rule: first
  stage: purchse
  when: {event_name: order}
- rule: second
  stage: loyalty
  when:
    revenue: high
    any:
      - chanel: ads
- rule: third
  stage: loyalty
  when: {event_name: order}
  occurrence: {gte: 1}
"""
    assert told(_refused(tmp_path, rules)) == [
        ("stages.yaml:3:12", "unknown stage 'purchse' in stage model 'tiny'"),
        ("stages.yaml:8:16", "revenue is a number, not 'high'"),
        ("stages.yaml:10:11", "unknown column 'chanel'"),
        ("stages.yaml:14:18", "gte is a whole number from 2, not 1"),
    ]


def test_a_misspelt_key_of_the_file_hides_no_fault_of_a_rule(tmp_path: Path) -> None:
    """All problems of one file come together."""
    path = write(
        tmp_path / "stages.yaml",
        "rule: 1\nrules:\n  - rule: r\n    stage: purchse\n    when: {event_name: a}\n",
    )
    with pytest.raises(StageRuleError) as caught:
        read_stages(path, _MODEL)
    assert [place for place, _ in told(caught.value)] == ["stages.yaml:1:1", "stages.yaml:4:12"]


@pytest.mark.parametrize(
    "number",
    [
        ".inf",
        ".nan",
        "1e400",
        "9" * 50,
    ],
)
def test_a_number_that_no_column_can_hold_is_refused(tmp_path: Path, number: str) -> None:
    """It would break the compiled SQL."""
    assert _refused_when(tmp_path, f"{{revenue: {{gt: {number}}}}}")


@pytest.mark.parametrize("test", ["{contains: 5}", "{starts_with: 5}"])
def test_a_test_of_a_property_that_cannot_be_compared_is_refused(tmp_path: Path, test: str) -> None:
    """It would break the compiled SQL, or never hold."""
    assert _refused_when(tmp_path, f"{{properties.x: {test}}}")


@pytest.mark.parametrize("name", ["properties.*", '"properties.a["', '"properties.a\'b"'])
def test_a_property_that_no_mapping_can_fill_is_refused(tmp_path: Path, name: str) -> None:
    """Mappings allow letters, digits and underscores in its name."""
    assert _refused_when(tmp_path, f"{{{name}: {{exists: true}}}}")

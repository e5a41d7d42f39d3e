"""Every rule of the portable subset refuses something and accepts its portable counterpart."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from journey_analytics.durations import parse_duration
from journey_analytics.engine.models import sql_folder
from journey_analytics.stages.compile import ProjectTime, compile_rules
from journey_analytics.stages.conditions import Comparison, Group
from journey_analytics.stages.rules import Earlier, Occurrence, Reach, StageRule
from journey_analytics.stages.stage_map import StageMap
from journey_analytics.stages.stage_models import shipped
from tests.lint import portable_sql
from tests.lint.portable_sql import RULES, UNREADABLE, lint, lint_folder


def statement(columns: str, source: str = "touches") -> str:
    """A SELECT in the form of a model, without a header."""
    return f"with\n\nfinal as (\n\n    select {columns}\n    from {source}\n\n)\n\nselect * from final\n"


def window(function: str, over: str) -> str:
    return statement(f"{function} over ({over}) as n")


def model(header: str, columns: str = "a", source: str = "touches") -> str:
    return header + statement(columns, source)


HEADER = "-- int_x: what it is.\n-- Grain:  one row per a.\n-- Reads:  touches (one row per a).\n"

# rule: (what it refuses, what it accepts)
CASES: dict[str, tuple[list[str], list[str]]] = {
    "is_one_select": (
        [statement("a") + ";\nselect 1", "create table x as select 1", "drop table x"],
        [statement("a")],
    ),
    "ends_with_final": (
        [
            "select a from touches",
            statement("a").replace("final", "last_one"),
            statement("a").replace("select * from final", "select a from final"),
            statement("a").replace("select * from final", "select * from final where a"),
            statement("a") + "limit 1",
        ],
        [statement("a"), statement("a").replace("select * from final", "SELECT\n  *\nFROM final")],
    ),
    "names_its_columns": (
        [statement("*"), statement("touches.*"), statement("* exclude (a)")],
        [statement("count(*) as n")],
    ),
    "has_no_recursion": ([statement("a").replace("with", "with recursive")], [statement("a")]),
    "uses_known_constructs": (
        [
            statement("{'a': 1} as a"),
            statement("a[1] as a"),
            statement("list_transform(a, lambda x: x + 1) as a"),
            statement("a -> '$.b' as a"),
            statement("a + interval 1 day as a"),
            statement("a // 2 as a"),
            statement("a ilike 'x' as a"),
            statement("cast(sum(a) filter (where b) as bigint) as a"),
            statement("(select 1) as a"),
            statement("a in (select b from touches) as a"),
            statement("a", "(select a from touches) as t"),
            statement("a", "(values (1)) as t (a)"),
            statement("a", "touches limit 1"),
            statement("a", "touches group by rollup (a)"),
            statement("a", "touches qualify b"),
            statement("a", "touches tablesample 5%"),
            statement("a", "(pivot touches on a using sum(b)) as t"),
        ],
        [statement("a + 1 as a, -a as b, a || 'x' as c", "touches where a in (1, 2) or not b")],
    ),
    "calls_known_functions": (
        [
            statement("concat(a, b) as a"),
            statement("avg(a) as a"),
            statement("unnest(a) as a"),
            statement("[1, 2] as a"),
            statement("now() as a"),
            statement("current_date as a"),
            statement("list(a) as a"),
            statement("any_value(a) as a"),
            statement("median(a) as a"),
            statement("count_if(a) as a"),
            statement("hash(a) as a"),
            statement("date_diff('day', a, b) as a"),
            statement("regexp_matches(a, 'x') as a"),
            statement("a", "read_parquet('x')"),
        ],
        [
            statement("unix_micros(a) as a, timestamp_micros(a) as b, div(a, b) as c"),
            statement("rlike(a, '^x') as a, get_json_object(a, '$.b') as b, min_by(a, b) as c"),
            statement("cast(percentile_disc(0.5) within group (order by a) as bigint) as a"),
        ],
    ),
    "takes_remainders_of_constants": (
        [statement("a % b as a"), statement("a % 0 as a"), statement("1 % (a + 1) as a")],
        [statement("a % 2 as a, (a + b) % 3600000000 as b")],
    ),
    "casts_to_known_types": (
        [
            statement("cast(a as hugeint) as a"),
            statement("cast(a as integer) as a"),
            statement("cast(a as timestamptz) as a"),
            statement("cast(a as varchar) as a"),
            statement("cast(a as decimal) as a"),
            statement("cast(a as json) as a"),
        ],
        [statement("cast(a as bigint) as a, cast(b as string) as b, cast(c as decimal(18, 4)) as c")],
    ),
    "writes_casts_out": ([statement("a::bigint as a")], [statement("cast(a as bigint) as a")]),
    "has_plain_texts": (
        [statement("'a\\b' as a"), statement("'it''s' as a")],
        [statement("'a/b' as a, 'it' || chr(39) || 's' as b")],
    ),
    "has_plain_names": (
        [statement('"a"'), statement("a", "main.touches")],
        [statement("touches.a")],
    ),
    "has_named_parameters": ([statement("? as a"), statement("$1 as a")], [statement("$as_of_us as a")]),
    "joins_on_a_condition": (
        [
            statement("a", "touches asof join b on a >= c"),
            statement("a", "touches natural join b"),
            statement("a", "touches positional join b"),
            statement("a", "touches semi join b on a = c"),
            statement("a", "touches inner join b using (a)"),
            statement("a", "touches, b"),
        ],
        [
            statement("a", "touches inner join b on a = c"),
            statement("a", "touches left join b on a = c"),
            statement("a", "touches full outer join b on a = c"),
            statement("a", "touches cross join b"),
        ],
    ),
    "groups_by_names": (
        [
            statement("a", "touches group by all"),
            statement("a", "touches group by 1"),
        ],
        [statement("a", "touches group by a, b")],
    ),
    "orders_windows_only": (
        [statement("a", "touches order by a"), statement("a", "touches order by all")],
        [window("lag(a)", "partition by b order by c asc nulls first")],
    ),
    "counts_distinct_simply": (
        [statement("distinct on (a) b"), statement("count(distinct a, b) as n")],
        [statement("distinct a, b"), statement("count(distinct a) as n")],
    ),
    "escapes_like": (
        [statement("a like 'x%' as a"), statement("a like 'x%' escape '#' as a")],
        [statement("a like 'x!%%' escape '!' as a")],
    ),
    "has_portable_patterns": (
        [
            statement(f"rlike(a, {pattern}) as a")
            for pattern in ("b", "'a{2}'", "'(?i)a'", "'a*?'", "'a++'", "'[0-9]\\.'")
        ],
        [statement("rlike(a, '^/(shop|cart)[0-9]*[.]html?$') as a")],
    ),
    "partitions_windows": (
        [
            window("max(a)", ""),
            window("row_number()", "order by a asc nulls first"),
            statement("max(a) over w as a", "touches window w as (partition by b)"),
        ],
        [window("max(a)", "partition by b")],
    ),
    "orders_windows_in_full": (
        [
            window("lag(a)", f"partition by b order by {key}")
            for key in ("a", "a asc", "a desc", "a nulls first", "a asc nulls last", "a desc nulls first")
        ]
        + [window("lead(a)", "partition by b")],
        [window("lag(a)", "partition by b order by a asc nulls first, c desc nulls last")],
    ),
    "frames_windows": (
        [
            window("max(a)", f"partition by b order by a asc nulls first {frame}")
            for frame in (
                "",
                "rows unbounded preceding",
                "range between unbounded preceding and current row",
                "groups between 1 preceding and current row",
            )
        ],
        [
            window("max(a)", f"partition by b order by a asc nulls first rows between {frame}")
            for frame in (
                "unbounded preceding and 1 preceding",
                "1 preceding and current row",
                "current row and unbounded following",
            )
        ],
    ),
    "casts_sums": (
        [
            statement("sum(a) as a"),
            statement("cast(sum(a) as double) as a"),
            statement("cast(coalesce(sum(a), 0) as bigint) as a"),
            window("sum(a)", "partition by b"),
        ],
        [
            statement("cast(sum(a) as bigint) as a, cast(sum(b) as decimal(18, 4)) as b"),
            statement("cast(sum(a) over (partition by b) as bigint) as a"),
        ],
    ),
    "casts_rankings": (
        [window(name, "partition by b order by a asc nulls first") for name in ("row_number()", "rank()")],
        [statement("cast(row_number() over (partition by b order by a asc nulls first) as bigint) as a")],
    ),
    "casts_divisors": (
        [
            statement("a / b as a"),
            statement("cast(a as double) / b as a"),
            statement("a / cast(b as bigint) as a"),
        ],
        [statement("cast(a as double) / cast(nullif(b, 0) as double) as a")],
    ),
    "rounds_nothing_by_a_cast": (
        [
            statement("cast(a / cast(b as double) as bigint) as a"),
            statement("cast(a * 1.5e0 as bigint) as a"),
            statement("cast(cast(a as decimal(18, 4)) as bigint) as a"),
        ],
        [
            statement("cast(div(a, 2) as bigint) as a, cast(a as double) as b"),
            statement("cast(percentile_disc(0.5) within group (order by a) as bigint) as a"),
        ],
    ),
    "marks_doubles": (
        [statement("a * 1.5 as a"), statement("greatest(a, 0.0) as a"), statement("coalesce(a, .5) as a")],
        [
            statement("a * 1.5e0 as a, a > 1.5 as b, a in (-0.5, 1) as c, 100 as d"),
            statement("cast(percentile_disc(0.5) within group (order by a) as bigint) as a"),
        ],
    ),
}

HEADER_CASES: dict[str, tuple[list[str], list[str]]] = {
    "has_a_header": (
        [
            model(""),
            model(HEADER),
            model(HEADER.replace("int_x", "int_y") + "-- Params: none.\n"),
            model(HEADER.replace("Grain", "grain") + "-- Params: none.\n"),
        ],
        [model(HEADER + "-- Params: none.\n")],
    ),
    "names_its_tables": (
        [
            model(HEADER.replace("touches (", "others (") + "-- Params: none.\n"),
            model(HEADER.replace("touches (", "touches, others (") + "-- Params: none.\n"),
            model(HEADER + "-- Params: none.\n", "a", "touches cross join others"),
        ],
        [
            model(
                HEADER.replace("per a).\n", "per a);\n--         others (a word). \n") + "-- Params: none.\n",
                "a",
                "touches cross join others",
            )
        ],
    ),
    "names_its_parameters": (
        [
            model(HEADER + "-- Params: none.\n", "$a as a"),
            model(HEADER + "-- Params: $a: it; $b.\n", "$a as a"),
            model(HEADER + "-- Params: none.\n", "a -- \n, $b as b"),
        ],
        [
            model(HEADER + "-- Params: $a: the limit, or\n--         null; $b.\n", "$a as a, $b as b"),
            model(HEADER + "-- Params: none.\n", "a -- not $this one\n"),
        ],
    ),
}


def refused(cases: dict[str, tuple[list[str], list[str]]]) -> list[object]:
    return [
        pytest.param(rule, text, id=f"{rule}-{number}")
        for rule, (bad, _) in cases.items()
        for number, text in enumerate(bad, start=1)
    ]


def accepted(cases: dict[str, tuple[list[str], list[str]]]) -> list[object]:
    return [
        pytest.param(text, id=f"{rule}-{number}")
        for rule, (_, good) in cases.items()
        for number, text in enumerate(good, start=1)
    ]


def rules_broken(text: str, kind: portable_sql.Kind = "bare") -> set[str]:
    return {finding.rule for finding in lint(text, kind, "int_x")}


def test_every_rule_is_tested() -> None:
    assert set(CASES) | set(HEADER_CASES) == set(RULES)


@pytest.mark.parametrize(("rule", "text"), refused(CASES))
def test_rule_refuses(rule: str, text: str) -> None:
    assert rule in rules_broken(text)


@pytest.mark.parametrize("text", accepted(CASES))
def test_portable_text_is_accepted(text: str) -> None:
    assert lint(text) == []


@pytest.mark.parametrize(("rule", "text"), refused(HEADER_CASES))
def test_header_rule_refuses(rule: str, text: str) -> None:
    assert rules_broken(text, "model") == {rule}


@pytest.mark.parametrize("text", accepted(HEADER_CASES))
def test_complete_header_is_accepted(text: str) -> None:
    assert lint(text, "model", "int_x") == []


def test_check_says_fail_or_warn() -> None:
    assert rules_broken(statement("a"), "check") == {"has_a_header"}
    assert lint("-- warn: a reason.\n" + statement("a"), "check") == []


@pytest.mark.parametrize("text", ["", "-- only a comment", "select (", "select a from t where"])
def test_text_that_is_no_sql_is_a_finding(text: str) -> None:
    assert rules_broken(text) == {UNREADABLE}


def test_finding_names_file_and_line() -> None:
    text = statement("a,\n\n\n        -- é\n        a / b as c")
    assert [finding.at(Path("sql/x.sql")) for finding in lint(text)] == [
        "sql/x.sql:9: /: cast the divisor to double; the engines' own types differ"
    ]


def test_command_prints_findings_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "c.sql").write_text("-- fail: x\n" + statement("a / b as a"), encoding="utf-8")
    assert portable_sql.main([str(tmp_path)]) == 1
    assert "c.sql:6: /: cast the divisor" in capsys.readouterr().out


def test_every_model_and_check_is_portable() -> None:
    assert lint_folder(sql_folder()) == []


# ---- SQL made from stage rules

BASKET = Comparison("event_name", "equals", "basket")
ODD_TEXT = Comparison("page_path", "contains", "its 50%_!")
MANY = Group(
    "all",
    (
        Group("any", (ODD_TEXT, Comparison("page_path", "starts_with", "/a_b"))),
        Group("not", (Comparison("channel", "in", ["email", "store"]),)),
        Comparison("device", "not", ["bot"]),
        Comparison("country", "exists", value=False),
        Comparison("revenue", "gt", 0.5),
        Comparison("score", "lte", -1.5),
        Comparison("revenue", "equals", 12),
        Comparison("page_path", "matches", "^/pricing(/[a-z]+)*$"),
        Comparison("properties.items", "gte", 2.5),
        Comparison("properties.plan", "equals", "pro"),
        Comparison("properties.plan", "exists", value=True),
    ),
)
RULE_SETS = {
    "one_rule": [StageRule("basket", "purchase", BASKET)],
    "one_ignoring_rule": [StageRule("noise", None, BASKET)],
    "every_operator": [StageRule("many", "interest", MANY), StageRule("basket", "purchase", BASKET)],
    "every_context": [
        StageRule(
            "first",
            "purchase",
            BASKET,
            (Earlier(None, MANY, Reach(parse_duration("28d")), is_wanted=False),),
            from_day=date(2026, 3, 1),
        ),
        StageRule("loyal", "loyalty", BASKET, (), Occurrence(8, Reach(parse_duration("56d")))),
        StageRule("again", "loyalty", BASKET, (Earlier("purchase", None),)),
        StageRule("third", "usage", MANY, (), Occurrence(3)),
        StageRule("basket", "purchase", BASKET),
    ],
    "sessions": [
        StageRule("again", "loyalty", BASKET, (Earlier("purchase", None, Reach(same_session=True)),)),
        StageRule("third", "usage", MANY, (), Occurrence(3, Reach(parse_duration("1h"), same_session=True))),
        StageRule("noise", None, MANY),
        StageRule("basket", "purchase", BASKET, until_day=date(2026, 3, 1)),
    ],
    "many_names": [
        StageRule(f"r{n}", "usage", Comparison("event_name", "equals", f"it's {n}")) for n in range(100)
    ],
    "only_contexts": [StageRule("again", "loyalty", BASKET, (), Occurrence(2))],
}
PROJECT_TIME = ProjectTime(ZoneInfo("Europe/Berlin"), parse_duration("30m"))


@pytest.mark.parametrize("name", RULE_SETS)
def test_compiled_rules_are_portable(name: str) -> None:
    assert lint(compile_rules([StageMap(shipped("seven_stage"), tuple(RULE_SETS[name]))], PROJECT_TIME)) == []

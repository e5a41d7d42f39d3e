"""The portable subset of SQL: what means the same, word for word, on DuckDB and on Spark.

    python -m tests.lint.portable_sql sql        prints file:line: message, exit code 1 on findings

It is an allowlist: a construct, function or type that is not named below is refused, and joins the list
only after it has been seen to give equal rows on both engines.

Belongs here: what a SQL text may say. Does not belong here: layout and case (sqlfluff), results (tests/sql).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import sqlglot
from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

Kind = Literal["model", "check", "bare"]

MACROS = ("div", "get_json_object", "rlike", "timestamp_micros", "unix_micros")
FUNCTIONS = (
    exp.Abs, exp.And, exp.ArgMax, exp.ArgMin, exp.Case, exp.Cast, exp.Chr, exp.Coalesce, exp.Count,
    exp.DenseRank, exp.Greatest, exp.If, exp.Lag, exp.Lead, exp.Least, exp.Length, exp.Lower,
    exp.MD5, exp.Max, exp.Min, exp.Nullif, exp.Or, exp.PercentileDisc, exp.Rank, exp.Replace, exp.RowNumber,
    exp.Sqrt, exp.Substring, exp.Sum, exp.TimestampTrunc, exp.Trim, exp.TryCast, exp.UnixMicros, exp.Upper,
)  # fmt: skip
CONSTRUCTS = (
    exp.Add, exp.Alias, exp.Between, exp.Boolean, exp.Column, exp.CTE, exp.DPipe, exp.DataType,
    exp.DataTypeParam, exp.Distinct, exp.Div, exp.EQ, exp.Escape, exp.From, exp.GT, exp.GTE,
    exp.Group, exp.Having, exp.Identifier, exp.In, exp.Is, exp.Join, exp.LT, exp.LTE, exp.Like,
    exp.Literal, exp.Mod, exp.Mul, exp.NEQ, exp.Neg, exp.Not, exp.Null, exp.Order, exp.Ordered, exp.Paren,
    exp.Placeholder, exp.Select, exp.Star, exp.Sub, exp.Table, exp.TableAlias, exp.Union, exp.Var,
    exp.Where, exp.Window, exp.WindowSpec, exp.With, exp.WithinGroup,
)  # fmt: skip
TYPES = ("BIGINT", "BOOLEAN", "DATE", "DECIMAL", "DOUBLE", "TEXT", "TIMESTAMP")

# the few refusals whose reason is worth a sentence of its own
_INSTEAD = {
    "Any": "write `in (...)`",
    "Array": "lists differ between the engines",
    "Avg": "publish sum and count: float sums differ from run to run",
    "Bracket": "positions count from 1 on one engine and from 0 on the other",
    "Concat": "DuckDB skips a null, Spark returns null: write `a || b`",
    "Filter": "write `sum(case when ...)`",
    "ILike": "write `lower(a) like ...`",
    "IntDiv": "write `div(a, b)`",
    "Interval": "compute in whole microseconds",
    "Limit": "rows have no order to take the first of",
    "Mode": "ties differ",
    "Qualify": "number the rows in a CTE and filter in the next",
    "RegexpLike": "write `rlike(text, 'pattern')`",
    "Subquery": "write a CTE",
}
_ORDERED_AGGREGATES = (exp.Sum, exp.Min, exp.Max, exp.Count)
_RANKINGS = (exp.RowNumber, exp.Rank, exp.DenseRank)
_OFFSETS = (exp.Lag, exp.Lead)
_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.In, exp.Between)
# RE2 and Java's engine read anything else differently, or not at all
_UNPORTABLE_PATTERN = re.compile(r"\\|\(\?|[*+?][*+?]|\{")
_LABELS = ("Grain", "Reads", "Params")


class _Reader(DuckDB):
    """DuckDB's grammar, except that it tells `asc nulls first` and `desc nulls last` from their absence.

    With nulls taken as the largest, a key without a written null order is read as `asc nulls last` or
    `desc nulls first`, which are exactly the two orders that are refused.
    """

    NULL_ORDERING = "nulls_are_large"

    class Tokenizer(DuckDB.Tokenizer):
        """Reads `div(a, b)` as the function it is on Spark and in our macro."""

        KEYWORDS = {  # noqa: RUF012 - the name and the kind of the class it overrides
            word: token for word, token in DuckDB.Tokenizer.KEYWORDS.items() if word != "DIV"
        }


@dataclass(frozen=True, order=True)
class Finding:
    """One thing a text may not say."""

    line: int
    message: str
    rule: str

    def at(self, path: Path) -> str:
        """The finding as editors and people read it."""
        return f"{path}:{self.line}: {self.message}"


@dataclass(frozen=True)
class Statement:
    """A SQL text that could be parsed, and what the rules ask of it."""

    text: str
    trees: tuple[exp.Expr, ...]
    tokens: tuple[Token, ...]
    kind: Kind
    name: str | None

    @property
    def tree(self) -> exp.Expr:
        """The first statement of the text; another one is a finding of its own."""
        return self.trees[0]

    @cached_property
    def nodes(self) -> tuple[exp.Expr, ...]:
        """Every node of the tree."""
        return tuple(self.tree.walk())

    @cached_property
    def tables(self) -> frozenset[str]:
        """The tables read, own CTEs left out."""
        own = {cte.alias for cte in self.tree.find_all(exp.CTE)}
        return frozenset(table.name for table in self.tree.find_all(exp.Table)) - own

    @cached_property
    def parameters(self) -> frozenset[str]:
        """The names written `$name` outside comments."""
        return frozenset(node.name for node in self.tree.find_all(exp.Placeholder) if node.name)

    def line_at(self, offset: int) -> int:
        """The line of a place in the text; the parser's own line numbers drift."""
        return self.text.count("\n", 0, offset) + 1

    def line(self, node: exp.Expr) -> int:
        """The line of a node: of the first thing in it that has a place, else of what it stands in."""
        around: exp.Expr | None = node
        while around is not None:
            places = [inner.meta["start"] for inner in around.walk() if "start" in inner.meta]
            if places:
                return self.line_at(min(places))
            around = around.parent
        return 1

    @cached_property
    def header(self) -> tuple[str, ...]:
        """The comment lines the text begins with, without their dashes."""
        lines = []
        for line in self.text.splitlines():
            if not line.startswith("--"):
                break
            lines.append(line.removeprefix("--"))
        return tuple(lines)

    def label(self, label: str) -> tuple[int, str] | None:
        """The line and the text of a label of the header, its continuation lines included."""
        found: int | None = None
        words: list[str] = []
        for number, line in enumerate(self.header, start=1):
            start = re.match(r" ([A-Z][a-z]+):", line)
            if start is not None and found is None and start[1] == label:
                found = number
                words.append(line[start.end() :])
            elif found is not None and start is None:
                words.append(line)
            elif found is not None:
                break
        return None if found is None else (found, " ".join(words))


Rule = Callable[[Statement], Iterator[tuple[int, str]]]
RULES: dict[str, Rule] = {}
UNREADABLE = "can_be_parsed"


def rule(check: Rule) -> Rule:
    """Add a rule under its function's name."""
    RULES[check.__name__] = check
    return check


def lint(text: str, kind: Kind = "bare", name: str | None = None) -> list[Finding]:
    """What a SQL text says outside the portable subset.

    Args:
        text: the whole file.
        kind: `model` and `check` have a header to keep; `bare` is SQL made by the program.
        name: the table a model makes.

    Returns:
        The findings by line; empty when the text is fine.
    """
    try:
        trees = tuple(tree for tree in sqlglot.parse(text, read=_Reader) if tree is not None)
        tokens = tuple(sqlglot.tokenize(text, read=_Reader))
    except SqlglotError as cause:
        at = (getattr(cause, "errors", None) or [{}])[0]
        offset = text.find(f"{at.get('start_context', '')}{at.get('highlight', '')}")
        what = str(cause).splitlines()[0].split(" Line ")[0]
        line = text.count("\n", 0, offset + len(at.get("start_context", ""))) + 1
        return [Finding(line, f"this cannot be parsed: {what}", UNREADABLE)]
    if not trees:
        return [Finding(1, "this cannot be parsed: there is no statement", UNREADABLE)]
    statement = Statement(text, trees, tokens, kind, name)
    return sorted(
        {
            Finding(line, message, title)
            for title, check in RULES.items()
            for line, message in check(statement)
        }
    )


def lint_folder(folder: Path) -> list[str]:
    """The findings in every .sql file of a folder, one text each."""
    found: list[str] = []
    for path in sorted(folder.rglob("*.sql")):
        kind: Kind = "check" if path.parent.name == "checks" else "model"
        text = path.read_text(encoding="utf-8")
        found.extend(finding.at(path) for finding in lint(text, kind, path.stem))
    return found


# ---- the statement as a whole


@rule
def is_one_select(statement: Statement) -> Iterator[tuple[int, str]]:
    """A file holds one SELECT and nothing else."""
    if len(statement.trees) > 1 or not isinstance(statement.tree, exp.Select):
        yield 1, "a file is exactly one SELECT"


@rule
def ends_with_final(statement: Statement) -> Iterator[tuple[int, str]]:
    """The last CTE is `final`, lists the output, and the text ends `select * from final`."""
    last = len(statement.text.rstrip().splitlines())
    ctes = statement.tree.ctes if isinstance(statement.tree, exp.Query) else []
    if not ctes or ctes[-1].alias != "final":
        yield last, "the last CTE is called `final`"
    if not re.search(r"\)\s*select\s+\*\s+from\s+final\s*\Z", statement.text, re.IGNORECASE):
        yield last, "the text ends `select * from final`"


@rule
def names_its_columns(statement: Statement) -> Iterator[tuple[int, str]]:
    """No `*`, but in the closing select and in `count(*)`."""
    for star in statement.tree.find_all(exp.Star):
        is_closing = star.parent is statement.tree and not star.args.get("except_")
        if not is_closing and not isinstance(star.parent, exp.Count):
            yield statement.line(star), "`*`: name the columns"


@rule
def has_no_recursion(statement: Statement) -> Iterator[tuple[int, str]]:
    """No recursive CTE."""
    for clause in statement.tree.find_all(exp.With):
        if clause.recursive:
            yield statement.line(clause), "recursive CTE: the engines differ"


# ---- what it may be built of


@rule
def uses_known_constructs(statement: Statement) -> Iterator[tuple[int, str]]:
    """Every node of the tree is one that both engines read alike."""
    for node in statement.nodes:
        if not isinstance(node, (*CONSTRUCTS, exp.Func)):
            name = type(node).__name__
            reason = _INSTEAD.get(name, "it is not in the portable subset")
            yield statement.line(node), f"{name.lower()}: {reason}"


@rule
def calls_known_functions(statement: Statement) -> Iterator[tuple[int, str]]:
    """Every function is in the list."""
    for node in statement.tree.find_all(exp.Func):
        if isinstance(node, exp.Anonymous):
            if node.name.lower() not in MACROS:
                yield statement.line(node), f"{node.name.lower()}(): it is not in the list of functions"
        elif not isinstance(node, FUNCTIONS):
            reason = _INSTEAD.get(type(node).__name__, "it is not in the list of functions")
            yield statement.line(node), f"{node.sql_name().lower()}(): {reason}"


@rule
def casts_to_known_types(statement: Statement) -> Iterator[tuple[int, str]]:
    """A cast names a type that both engines have under one name."""
    for node in statement.tree.find_all(exp.DataType):
        name = node.this.value if isinstance(node.this, exp.DataType.Type) else str(node.this)
        if name not in TYPES:
            yield statement.line(node), f"type {name.lower()}: one of {', '.join(TYPES).lower()}"
    for before, token, after in zip(
        statement.tokens, statement.tokens[1:], statement.tokens[2:], strict=False
    ):
        if before.token_type is not TokenType.ALIAS or after.token_type is not TokenType.R_PAREN:
            continue
        if token.text.lower() in ("varchar", "text"):
            yield (
                statement.line_at(token.start),
                f"type {token.text}: Spark calls it string, and so does DuckDB",
            )
        if token.text.lower() in ("decimal", "numeric"):
            yield statement.line_at(token.start), "decimal needs its digits: decimal(18, 4)"


@rule
def writes_casts_out(statement: Statement) -> Iterator[tuple[int, str]]:
    """No `::`."""
    for token in statement.tokens:
        if token.token_type is TokenType.DCOLON:
            yield statement.line_at(token.start), "`::`: write cast(value as type)"


@rule
def has_plain_texts(statement: Statement) -> Iterator[tuple[int, str]]:
    """No backslash, and no doubled quote inside a text: other characters on Spark, whatever its settings."""
    for number, line in enumerate(statement.text.splitlines(), start=1):
        if "\\" in line:
            yield number, "backslash: the engines read it differently"
    for token in statement.tokens:
        if token.token_type is TokenType.STRING and "'" in token.text:
            yield statement.line_at(token.start), "a doubled quote in a text: write `'it' || chr(39) || 's'`"


@rule
def has_plain_names(statement: Statement) -> Iterator[tuple[int, str]]:
    """No quoted name (text on Spark), and no schema before a table."""
    for node in statement.tree.find_all(exp.Identifier):
        if node.quoted:
            yield statement.line(node), f'"{node.name}": a name in quotes is text on Spark'
    for table in statement.tree.find_all(exp.Table):
        if table.db:
            yield statement.line(table), f"{table.db}.{table.name}: name the table alone"


@rule
def has_named_parameters(statement: Statement) -> Iterator[tuple[int, str]]:
    """A parameter is written `$name`."""
    for node in statement.tree.find_all(exp.Placeholder, exp.Parameter):
        if not re.fullmatch(r"[a-z][a-z0-9_]*", node.name):
            yield statement.line(node), "a parameter is written $name"


# ---- clauses


@rule
def joins_on_a_condition(statement: Statement) -> Iterator[tuple[int, str]]:
    """Only plain joins with `on`, or `cross join`."""
    for join in statement.tree.find_all(exp.Join):
        is_cross = join.kind == "CROSS" and not join.args.get("on")
        is_plain = join.kind in ("", "INNER", "OUTER") and join.args.get("on") is not None
        if join.method or not (is_cross or is_plain):
            name = f"{join.method or join.kind} join".strip().lower()
            yield statement.line(join), f"{name}: write a join with `on`, or cross join"


@rule
def groups_by_names(statement: Statement) -> Iterator[tuple[int, str]]:
    """No `group by all`, no rollup, cube, grouping sets or positions."""
    for group in statement.tree.find_all(exp.Group):
        if any(value for part, value in group.args.items() if part != "expressions"):
            yield statement.line(group), "group by all: name the columns"
        for key in group.expressions:
            if isinstance(key, exp.Literal):
                yield statement.line(key), "group by a position: name the column"


@rule
def orders_windows_only(statement: Statement) -> Iterator[tuple[int, str]]:
    """`order by` only inside a window or `within group`: a table has no order."""
    for order in statement.tree.find_all(exp.Order):
        if not isinstance(order.parent, exp.Window | exp.WithinGroup):
            yield statement.line(order), "order by: a table has no order"


@rule
def counts_distinct_simply(statement: Statement) -> Iterator[tuple[int, str]]:
    """No `distinct on`; `count(distinct x)` of one column, as several count nulls differently."""
    for node in statement.tree.find_all(exp.Distinct):
        if node.args.get("on"):
            yield statement.line(node), "distinct on: number the rows in a CTE and filter in the next"
        if isinstance(node.parent, exp.AggFunc) and len(node.expressions) != 1:
            yield statement.line(node), "count(distinct a, b): count a key of one column"


@rule
def escapes_like(statement: Statement) -> Iterator[tuple[int, str]]:
    """`like ... escape '!'`, as Spark's own escape is the backslash."""
    for like in statement.tree.find_all(exp.Like):
        parent = like.parent
        if not isinstance(parent, exp.Escape) or parent.expression.name != "!":
            yield statement.line(like), "like: add escape '!'"


@rule
def has_portable_patterns(statement: Statement) -> Iterator[tuple[int, str]]:
    """`rlike` takes a literal of classes, anchors, groups and `* + ?` only."""
    for call in statement.tree.find_all(exp.Anonymous):
        if call.name.lower() != "rlike":
            continue
        pattern = call.expressions[-1]
        if not pattern.is_string or _UNPORTABLE_PATTERN.search(pattern.name):
            yield statement.line(call), "rlike: a literal of classes, anchors, groups and * + ? only"


# ---- windows


@rule
def partitions_windows(statement: Statement) -> Iterator[tuple[int, str]]:
    """Every window has `partition by`, written in place."""
    for window in statement.tree.find_all(exp.Window):
        if window.args.get("alias") or not window.args.get("partition_by"):
            yield statement.line(window), "a window has partition by, written in place"


@rule
def orders_windows_in_full(statement: Statement) -> Iterator[tuple[int, str]]:
    """Every key is `asc nulls first` or `desc nulls last`; a rank or an offset has an order."""
    for window in statement.tree.find_all(exp.Window):
        order = window.args.get("order")
        if order is None and isinstance(window.this, (*_RANKINGS, *_OFFSETS)):
            yield statement.line(window), f"{window.this.sql_name().lower()}() over no order"
        for key in order.expressions if order is not None else ():
            descends = key.args.get("desc")
            if descends is None or bool(descends) == bool(key.args.get("nulls_first")):
                yield statement.line(key), "order by: write `asc nulls first` or `desc nulls last`"


@rule
def frames_windows(statement: Statement) -> Iterator[tuple[int, str]]:
    """An ordered aggregate has a frame of rows with both ends; a frame of range counts ties in."""
    for window in statement.tree.find_all(exp.Window):
        if not isinstance(window.this, _ORDERED_AGGREGATES) or window.args.get("order") is None:
            continue
        spec = window.args.get("spec")
        if spec is None or str(spec.args.get("kind")).upper() != "ROWS" or spec.args.get("end") is None:
            yield statement.line(window), "an ordered aggregate needs `rows between ... and ...`"


# ---- types of values


@rule
def casts_sums(statement: Statement) -> Iterator[tuple[int, str]]:
    """`cast(sum(x) as bigint)` or `as decimal(p, s)`."""
    for total in statement.tree.find_all(exp.Sum):
        outer = _outside(total, exp.Window, exp.Paren)
        if not (isinstance(outer, exp.Cast) and outer.to.this.value in ("BIGINT", "DECIMAL")):
            yield statement.line(total), "sum(): cast it to bigint or decimal; the engines' own types differ"


@rule
def casts_rankings(statement: Statement) -> Iterator[tuple[int, str]]:
    """`cast(row_number() over (...) as bigint)`."""
    for ranking in statement.tree.find_all(*_RANKINGS):
        if not isinstance(_outside(ranking, exp.Window, exp.Paren), exp.Cast):
            name = ranking.sql_name().lower()
            yield statement.line(ranking), f"{name}(): cast it to bigint; Spark's is an int"


@rule
def casts_divisors(statement: Statement) -> Iterator[tuple[int, str]]:
    """`a / cast(b as double)`."""
    for division in statement.tree.find_all(exp.Div):
        divisor = division.expression.unnest()
        if not (isinstance(divisor, exp.Cast) and divisor.to.this.value == "DOUBLE"):
            yield statement.line(division), "/: cast the divisor to double; the engines' own types differ"


@rule
def takes_remainders_of_constants(statement: Statement) -> Iterator[tuple[int, str]]:
    """Of zero the remainder is a null on one engine and an error on the other."""
    for remainder in statement.tree.find_all(exp.Mod):
        divisor = remainder.expression
        if not (isinstance(divisor, exp.Literal) and divisor.is_int and int(divisor.this)):
            yield statement.line(remainder), "%: the divisor must be a whole number above 0, written out"


@rule
def rounds_nothing_by_a_cast(statement: Statement) -> Iterator[tuple[int, str]]:
    """No cast of a fraction to a whole number: DuckDB rounds it, Spark cuts it off."""
    for cast in statement.tree.find_all(exp.Cast):
        if cast.to.this.value == "BIGINT" and _is_fraction(cast.this):
            yield statement.line(cast), "cast of a fraction to bigint: DuckDB rounds, Spark cuts off"


@rule
def marks_doubles(statement: Statement) -> Iterator[tuple[int, str]]:
    """A number with a point has an exponent, `1.5e0`, unless it is only compared or a share.

    Without one it is a decimal on both engines, and their arithmetic on decimals differs.
    """
    for literal in statement.tree.find_all(exp.Literal):
        if literal.is_string or "." not in literal.name or "e" in literal.name.lower():
            continue
        if not isinstance(_outside(literal, exp.Neg), (*_COMPARISONS, exp.PercentileDisc)):
            yield statement.line(literal), f"{literal.name} is a decimal: write {literal.name}e0"


# ---- the header


@rule
def has_a_header(statement: Statement) -> Iterator[tuple[int, str]]:
    """A model begins with its name and says grain, reads and parameters; a check says fail or warn."""
    first = statement.header[0] if statement.header else ""
    if statement.kind == "check" and not re.match(r" (fail|warn): \S", first):
        yield 1, "a check begins `-- fail: ...` or `-- warn: ...`"
    if statement.kind == "model":
        if not first.startswith(f" {statement.name}: "):
            yield 1, f"a model begins `-- {statement.name}: ...`"
        for label in _LABELS:
            if statement.label(label) is None:
                yield 1, f"the header has no line `{label}:`"


@rule
def names_its_tables(statement: Statement) -> Iterator[tuple[int, str]]:
    """`Reads:` names exactly the tables read; what stands in parentheses explains them."""
    found = statement.label("Reads") if statement.kind == "model" else None
    if found is not None:
        names = set(re.findall(r"[a-z][a-z0-9_]*", re.sub(r"\([^)]*\)", "", found[1])))
        yield from _differences(found[0], "Reads", names, statement.tables)


@rule
def names_its_parameters(statement: Statement) -> Iterator[tuple[int, str]]:
    """`Params:` names exactly the parameters used; `none` when there are none."""
    found = statement.label("Params") if statement.kind == "model" else None
    if found is not None:
        names = set(re.findall(r"\$([a-z][a-z0-9_]*)", found[1]))
        yield from _differences(found[0], "Params", names, statement.parameters)


def _differences(line: int, label: str, named: set[str], used: frozenset[str]) -> Iterator[tuple[int, str]]:
    for name in sorted(used - named):
        yield line, f"{label}: {name} is used and not named"
    for name in sorted(named - used):
        yield line, f"{label}: {name} is named and not used"


def _is_fraction(value: exp.Expr) -> bool:
    """Whether an expression shows by its form that it is no whole number."""
    if isinstance(value, exp.Add | exp.Sub | exp.Mul | exp.Neg | exp.Paren):
        return any(_is_fraction(part) for part in value.iter_expressions())
    if isinstance(value, exp.Literal):
        return not value.is_string and not value.is_int
    is_cast = isinstance(value, exp.Cast) and value.to.this.value in ("DOUBLE", "DECIMAL")
    return is_cast or isinstance(value, exp.Div)


def _outside(node: exp.Expr, *through: type[exp.Expr]) -> exp.Expr | None:
    """The nearest node around this one that is none of the kinds named."""
    outer = node.parent
    while isinstance(outer, through):
        outer = outer.parent
    return outer


def main(arguments: list[str]) -> int:
    """Lint the folders named and return the exit code."""
    found = [line for folder in arguments or ["sql"] for line in lint_folder(Path(folder))]
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

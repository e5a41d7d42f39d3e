"""The SQL models as files: where they lie, what each reads, and in which order they run."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from importlib.resources import files
from pathlib import Path

import sqlglot
from sqlglot import exp

_PARAMETER = re.compile(r"\$([a-z_][a-z0-9_]*)")
_COMMENT = re.compile(r"--[^\n]*")
LAYERS = ("staging", "intermediate", "marts")

VIEWS = frozenset({"stg_events", "int_stage_durations", "mart_journey_stages"})
"""Models not worth a table of their own: each row is one of another table, or one reader takes all of it."""


@dataclass(frozen=True)
class Model:
    """One model: a table's name and the SELECT that makes it."""

    name: str
    layer: str
    text: str

    @property
    def parameters(self) -> frozenset[str]:
        """The names written `$name` in the SQL itself, comments left out."""
        return frozenset(_PARAMETER.findall(_COMMENT.sub("", self.text)))

    def bound(self, parameters: Mapping[str, int]) -> str:
        """The text with the values of its parameters in it, for a view, which cannot keep parameters."""
        return _PARAMETER.sub(lambda found: str(parameters[found[1]]), _COMMENT.sub("", self.text))

    @property
    def reads(self) -> frozenset[str]:
        """The tables the model reads, its own CTEs left out."""
        return tables_read(self.text)


@cache
def tables_read(sql: str) -> frozenset[str]:
    """The tables a SELECT reads, its own CTEs left out."""
    tree = sqlglot.parse_one(sql, read="duckdb")
    own = {cte.alias for cte in tree.find_all(exp.CTE)}
    return frozenset(table.name for table in tree.find_all(exp.Table)) - own


def sql_folder() -> Path:
    """The folder `sql`: inside an installed package, or at the top of a checkout."""
    packaged = Path(str(files("journey_analytics") / "sql"))
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "sql"


@cache
def models() -> dict[str, Model]:
    """Every model by name, in an order in which each comes after those it reads."""
    found = {
        path.stem: Model(path.stem, layer, path.read_text(encoding="utf-8"))
        for layer in LAYERS
        for path in sorted((sql_folder() / layer).glob("*.sql"))
    }
    order = TopologicalSorter({name: sorted(model.reads & found.keys()) for name, model in found.items()})
    return {name: found[name] for name in order.static_order()}


def marts() -> list[str]:
    """The names of the models that are published."""
    return sorted(name for name, model in models().items() if model.layer == "marts")


@cache
def models_sha256() -> str:
    """One hash over the text of every model and contract."""
    digest = hashlib.sha256()
    for path in sorted(sql_folder().rglob("*")):
        if path.suffix in (".sql", ".yml"):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()

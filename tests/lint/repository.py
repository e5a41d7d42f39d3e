"""What the repository may hold: names at the top, sizes, lock files, contracts, and no trace of a machine.

    python -m tests.lint.repository        prints one line per finding, exit code 1 on findings

Works on the files git tracks. The patterns below are put together from parts, so that this file does not
hold what it looks for.

Belongs here: rules about files. Does not belong here: style of Python (ruff) and of SQL (portable_sql).
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from journey_analytics.contracts import Contract, contracts
from journey_analytics.engine.models import models
from journey_analytics.errors import ConfigError
from journey_analytics.stages.compile import OUTPUT_TABLE
from journey_analytics.tables import KERNELS

TOP_LEVEL = (
    "pipelines", "sql", "src", "data", "tests",
    "pyproject.toml", "README.md", "Makefile", "CHANGELOG.md", "LICENSE",
)  # fmt: skip
LOCK_FILES = re.compile(r"requirements[a-z-]*\.lock")
MEGABYTE = 1_000_000
LARGEST_FILE = 7 * MEGABYTE
LARGEST_SAMPLE = 6 * MEGABYTE
SAMPLE = "data/complete_journey"

# tables that no model makes: what sources are loaded into, and what is made from the project's files
INPUT_TABLES = (
    "events", "quarantine_touchpoints", "seed_stage_rules", "seed_stages", "seed_utc_offsets",
    OUTPUT_TABLE, *KERNELS,
)  # fmt: skip
# one row per row loaded, copies included: there is nothing that tells two rows apart
KEYLESS_TABLES = ("events", "quarantine_touchpoints")
NUMBERS = ("BIGINT", "DOUBLE", "DECIMAL")

_DOT = r"\."
_REGISTRIES = (
    ("pypi", "org"), ("python" + "hosted", "org"), ("piwheels", "org"), ("anaconda", "org"),
    ("npm" + "js", "org"), ("npm" + "js", "com"), ("yarn" + "pkg", "com"), ("crates", "io"),
    ("rubygems", "org"), ("maven" + _DOT + "org", ""), ("proxy" + _DOT + "golang", "org"),
    ("deb" + _DOT + "debian", "org"), ("security" + _DOT + "debian", "org"),
    ("snapshot" + _DOT + "debian", "org"), ("ftp[a-z.]*" + _DOT + "debian", "org"),
    ("archive" + _DOT + "ubuntu", "com"), ("jsdelivr", "net"), ("unpkg", "com"),
)  # fmt: skip
_HOSTS = "|".join(name + (_DOT + end if end else "") for name, end in _REGISTRIES)
_MACHINE_FOLDERS = ("home", "root", "work", "Users")
_UNWANTED = {
    "a package registry's host": rf"\b(?:files{_DOT}|[a-z0-9-]+{_DOT})*(?:{_HOSTS})\b",
    "a package index": r"https?://[^\s\"']+/" + r"simple(?:/|\b)",
    "an option that names a package index": r"(?:--|\b)(?:extra-)?" + r"index-url[ =]+[\"']?\w+:/",
    "a path of one machine": r"(?<![\w.:}>)/-])/(?:" + "|".join(_MACHINE_FOLDERS) + r")/[\w.]",
    "a path of one machine (Windows)": r"\b[A-Z]:" + r"\\\\?Users\b",
}
_UNWANTED_PATTERNS = {
    what: re.compile(pattern.encode(), re.IGNORECASE if "registry" in what else 0)
    for what, pattern in _UNWANTED.items()
}
_REQUIREMENT = re.compile(
    r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[a-z0-9,_-]+\])?==[^\s;]+(\s*;[^#]*?)?(\s+--hash=sha256:[0-9a-f]{64})+"
)


def tracked_files(root: Path) -> list[str]:
    """The paths git tracks below `root`, with forward slashes, those deleted from disk left out."""
    command = ["git", "-C", str(root), "ls-files", "-z"]
    listed = subprocess.run(command, check=True, capture_output=True).stdout.decode()
    return [path for path in listed.split("\0") if path and (root / path).is_file()]


def lint_repository(root: Path) -> list[str]:
    """Every finding about the files git tracks below `root`."""
    paths = tracked_files(root)
    sizes = {path: (root / path).stat().st_size for path in paths}
    found = [*unknown_names(paths), *too_large(sizes)]
    for path in paths:
        content = (root / path).read_bytes()
        found.extend(unwanted_text(path, content))
        if LOCK_FILES.fullmatch(path):
            found.extend(loose_requirements(path, content.decode()))
    return found


def unknown_names(paths: Iterable[str]) -> Iterator[str]:
    """Top-level entries that have no place in the layout."""
    for name in sorted({PurePosixPath(path).parts[0] for path in paths}):
        if not (name in TOP_LEVEL or name.startswith(".") or LOCK_FILES.fullmatch(name)):
            yield f"{name}: no such entry at the top: one of {', '.join(TOP_LEVEL)}"


def too_large(sizes: Mapping[str, int]) -> Iterator[str]:
    """Files, and a sample project, that make every clone slow."""
    for path, size in sorted(sizes.items()):
        if size > LARGEST_FILE:
            yield f"{path}: {size:,} bytes, at most {LARGEST_FILE:,} for one file"
    sample = sum(size for path, size in sizes.items() if path.startswith(f"{SAMPLE}/"))
    if sample > LARGEST_SAMPLE:
        yield f"{SAMPLE}: {sample:,} bytes, at most {LARGEST_SAMPLE:,} in all"


def unwanted_text(path: str, content: bytes) -> Iterator[str]:
    """Where a file names a package registry or a folder of somebody's machine."""
    for what, pattern in _UNWANTED_PATTERNS.items():
        for match in pattern.finditer(content):
            line = content.count(b"\n", 0, match.start()) + 1
            yield f"{path}:{line}: {what}: {match[0].decode(errors='replace')}"


def loose_requirements(path: str, text: str) -> Iterator[str]:
    """Lines of a lock file that are not one exact version with its hashes."""
    number = 1
    for entry in re.split(r"(?<!\\)\n", text):
        joined = entry.replace("\\\n", " ").strip()
        is_blank = not joined or joined.startswith("#")
        if not is_blank and not _REQUIREMENT.fullmatch(joined):
            yield f"{path}:{number}: not a pinned requirement with a hash: {joined.split(' ')[0]}"
        number += entry.count("\n") + 1


def incomplete_contracts(
    made: Iterable[str], known: Mapping[str, Contract], inputs: Iterable[str] = INPUT_TABLES
) -> Iterator[str]:
    """Tables without a contract, contracts without a table, and contracts that leave something out."""
    tables = {*made, *inputs}
    for table in sorted(tables - known.keys()):
        yield f"sql/contracts/{table}.yml: the table has no contract"
    for name, contract in sorted(known.items()):
        place = f"sql/contracts/{name}.yml"
        columns = contract.column_names
        complaints = {
            "no model or seed makes this table": name not in tables and not contract.record,
            f"it is the contract of {contract.table}": contract.table != name,
            "the description is empty": not contract.description.strip(),
            "the grain is empty": not contract.grain.strip(),
            "the key is empty": not contract.key and name not in KEYLESS_TABLES,
            "there are no columns": not columns,
            "a key column is not among the columns": not set(contract.key) <= set(columns),
            "the column that splits its files is not there": contract.split is not None
            and contract.split.column not in columns,
            "it is split by day and by month": contract.day is not None and contract.month is not None,
            "a column stands there twice": len(set(columns)) < len(columns),
            "a key column may be null": any(
                column.nullable for column in contract.columns if column.name in contract.key
            ),
            "a column has no description": any(not column.description.strip() for column in contract.columns),
            "a number has no unit": any(
                column.type.startswith(NUMBERS) and not column.unit for column in contract.columns
            ),
        }
        yield from (f"{place}: {complaint}" for complaint, holds in complaints.items() if holds)


def main() -> int:
    """Lint the repository this file lies in and return the exit code."""
    root = Path(__file__).parents[2]
    found = lint_repository(root)
    try:
        found += incomplete_contracts(models(), contracts())
    except ConfigError as error:
        found.append(str(error))
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

"""Anonymous and known ids to one customer: the part of it that SQL models alone cannot say.

Alias events join known ids in pairs (int_alias_edges), and pairs that share an id make a group, however long
the chain between two of its ids. The groups are the connected components of that graph, found in one of two
ways that give the same table int_alias_groups:

    union-find          in memory, over the edges as whole numbers: fast, up to MAX_EDGES_IN_MEMORY
    star contraction    in the engine, pass after pass until nothing changes: for more edges than that

Belongs here: finding the groups, and the settings the models of this concern need.
Does not belong here: what follows from a group or from an anonymous id (sql/intermediate), the columns by
which a source delivers its ids (sources).
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from journey_analytics.engine.duckdb import DuckDBEngine
from journey_analytics.project import Project

EDGES = "int_alias_edges"
OUTPUT_TABLE = "int_alias_groups"

MAX_EDGES_IN_MEMORY = 2_000_000
"""More distinct edges than this are left to the engine, which can spill to disk."""

_STARS = "alias_stars"
_LARGE_STARS = "alias_large_stars"
_SMALL_STARS = "alias_small_stars"
_CHANGED_STARS = "alias_changed_stars"

# Large-star and small-star of Kiveris et al., "Connected Components in MapReduce and Beyond" (2014). A row
# joins an id to a smaller one of its group. Each pass hangs an id's neighbours on the smallest id next to it,
# first the neighbours larger than itself, then the others; both keep every group connected. When a pass
# changes nothing, each id hangs on the smallest of its group directly. Passes grow with the logarithm of the
# longest chain, not with its length.
FIRST_STARS = f"""\
with

final as (

    select
        high_ref as known_ref,
        low_ref as parent_ref
    from {EDGES}

)

select * from final
"""

LARGE_STAR = f"""\
with

neighbours as (

    select
        known_ref,
        parent_ref as neighbour_ref
    from {_STARS}
    union all
    select
        parent_ref as known_ref,
        known_ref as neighbour_ref
    from {_STARS}

),

smallest as (

    select
        known_ref,
        least(known_ref, min(neighbour_ref)) as smallest_ref
    from neighbours
    group by known_ref

),

final as (

    select
        neighbours.neighbour_ref as known_ref,
        smallest.smallest_ref as parent_ref
    from neighbours
    inner join smallest
        on neighbours.known_ref = smallest.known_ref
    where neighbours.neighbour_ref > neighbours.known_ref
    group by neighbours.neighbour_ref, smallest.smallest_ref

)

select * from final
"""

SMALL_STAR = f"""\
with

smallest as (

    select
        known_ref,
        min(parent_ref) as smallest_ref
    from {_LARGE_STARS}
    group by known_ref

),

stars as (

    select
        known_ref,
        smallest_ref as parent_ref
    from smallest
    union all
    select
        {_LARGE_STARS}.parent_ref as known_ref,
        smallest.smallest_ref as parent_ref
    from {_LARGE_STARS}
    inner join smallest
        on {_LARGE_STARS}.known_ref = smallest.known_ref
    where {_LARGE_STARS}.parent_ref <> smallest.smallest_ref

),

final as (

    select
        known_ref,
        parent_ref
    from stars
    group by known_ref, parent_ref

)

select * from final
"""

CHANGED_STARS = f"""\
with

final as (

    select
        {_SMALL_STARS}.known_ref,
        {_SMALL_STARS}.parent_ref
    from {_SMALL_STARS}
    left join {_STARS}
        on
            {_SMALL_STARS}.known_ref = {_STARS}.known_ref
            and {_SMALL_STARS}.parent_ref = {_STARS}.parent_ref
    where {_STARS}.known_ref is null

)

select * from final
"""

NEXT_STARS = f"""\
with

final as (

    select
        known_ref,
        parent_ref
    from {_SMALL_STARS}

)

select * from final
"""

GROUPS = f"""\
with

final as (

    select
        known_ref,
        parent_ref as group_ref
    from {_STARS}
    union all
    select
        parent_ref as known_ref,
        parent_ref as group_ref
    from {_STARS}
    group by parent_ref

)

select * from final
"""

STAR_STATEMENTS = (FIRST_STARS, LARGE_STAR, SMALL_STAR, CHANGED_STARS, NEXT_STARS, GROUPS)
"""Every statement of the star contraction; all in the portable subset."""


def identity_parameters(project: Project) -> dict[str, str | int | None]:
    """Every parameter the models of this concern name."""
    return {"max_ids": project.settings.identity.max_ids}


def group_aliases(engine: DuckDBEngine, max_edges_in_memory: int = MAX_EDGES_IN_MEMORY) -> int:
    """Make int_alias_groups from int_alias_edges: each known id of an edge with the smallest id of its group.

    Args:
        engine: holds int_alias_edges (one row per pair of different ids).
        max_edges_in_memory: with more edges the engine does the work; the table is the same.

    Returns:
        How many ids are in a group.
    """
    if engine.count(EDGES) > max_edges_in_memory:
        return _contract_stars(engine)
    groups = connected_components(engine.frame(f"select low_ref, high_ref from {EDGES}"))
    engine.load(OUTPUT_TABLE, groups)
    return groups.height


def connected_components(edges: pl.DataFrame) -> pl.DataFrame:
    """The group of each id, by union-find.

    Args:
        edges: one row per pair of ids, low_ref and high_ref (String, not null), in any order.

    Returns:
        One row per id: known_ref, and group_ref, the smallest id of its group by the order of its bytes.
    """
    low, high = edges["low_ref"], edges["high_ref"]
    # sorted, so that the smaller number is the smaller id
    ids = pl.concat([low, high.alias("low_ref")]).unique().sort().alias("known_ref")
    numbers = pl.DataFrame({"known_ref": ids, "number": pl.int_range(ids.len(), eager=True)})
    ends = [
        edges.select(end)
        .join(numbers, left_on=end, right_on="known_ref", how="left", maintain_order="left")["number"]
        .to_list()
        for end in ("low_ref", "high_ref")
    ]
    parents = _union(ids.len(), ends[0], ends[1])
    return pl.DataFrame({"known_ref": ids, "group_ref": ids.gather(parents)})


def _union(count: int, lows: Sequence[int], highs: Sequence[int]) -> list[int]:
    """The smallest number of the component of each number from 0 to count - 1."""
    parents = list(range(count))
    for low, high in zip(lows, highs, strict=True):
        a, b = low, high
        while parents[a] != a:
            parents[a] = a = parents[parents[a]]
        while parents[b] != b:
            parents[b] = b = parents[parents[b]]
        if a < b:
            parents[b] = a
        else:
            parents[a] = b
    # a parent is never larger than its child, so it has found its root before the child asks
    for number in range(count):
        parents[number] = parents[parents[number]]
    return parents


def _contract_stars(engine: DuckDBEngine) -> int:
    """The same table, made by the engine; every pass hangs ids on smaller ones, until one changes none."""
    rows = engine.create_table(_STARS, FIRST_STARS)
    is_done = False
    while not is_done:
        engine.create_table(_LARGE_STARS, LARGE_STAR)
        contracted = engine.create_table(_SMALL_STARS, SMALL_STAR)
        is_done = contracted == rows and engine.create_table(_CHANGED_STARS, CHANGED_STARS) == 0
        rows = engine.create_table(_STARS, NEXT_STARS)
    return engine.create_table(OUTPUT_TABLE, GROUPS)

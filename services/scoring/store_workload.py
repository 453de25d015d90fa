"""Queries of outliers and workload, from scorecards as they stand or were computed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from libs.common.database import Connection, Row
from services.scoring.past import MOVEMENTS
from services.scoring.store import CARD


async def outliers(
    connection: Connection,
    period: str,
    end: date,
    *,
    source: str,
    units: Sequence[str],
    measure: str | None,
    kind: str | None,
    after: int,
    limit: int,
) -> list[Row]:
    """Every score of a period's movements, the strongest first."""
    scores = ", ".join(
        f"('{name}', '{against}', s.{column}_{name})"
        for name in MOVEMENTS
        for against, column in (("history", "outlier"), ("peers", "peers"))
    )
    return await connection.fetch(
        "SELECT * FROM (SELECT *, row_number() OVER (ORDER BY abs(score) DESC,"
        " name_sort, unit, measure, movement, against) AS line FROM ("
        f" SELECT s.*, v.* FROM ({CARD.format(source=source)} AND s.unit = ANY($3)"
        "   AND category = 'all' AND ($4::text IS NULL OR measure = $4)"
        "   AND ($5::text IS NULL OR kind = $5)) s"
        f" CROSS JOIN LATERAL (VALUES {scores}) AS v (movement, against, score)"
        " WHERE score IS NOT NULL) scored) lines"
        " WHERE line > $6 ORDER BY line LIMIT $7",
        period,
        end,
        list(units),
        measure,
        kind,
        after,
        limit,
    )


async def loads(
    connection: Connection,
    period: str,
    end: date,
    *,
    source: str,
    units: Sequence[str],
    kind: str,
    after: tuple[object, ...] | None,
    limit: int,
) -> list[Row]:
    """Units of a kind with their cases and money to enforce, in order of names."""
    sides = ", ".join(
        f"max({name}) FILTER (WHERE measure = '{measure}') AS {measure}_{name}"
        for measure in ("cases", "money")
        for name in ("to_enforce", "per_officer", "workload_outlier")
    )
    return await connection.fetch(
        f"SELECT unit, name, name_sort, max(officers) AS officers, {sides}"
        f" FROM ({CARD.format(source=source)} AND s.unit = ANY($3) AND kind = $4"
        "  AND category = 'all' AND measure IN ('cases', 'money')) cards"
        " WHERE $5::text IS NULL OR (name_sort, unit) > ($5, $6)"
        " GROUP BY unit, name, name_sort ORDER BY name_sort, unit LIMIT $7",
        period,
        end,
        list(units),
        kind,
        *(after or (None, None)),
        limit,
    )


async def officers_of(
    connection: Connection,
    period: str,
    end: date,
    *,
    source: str,
    units: Sequence[str],
) -> list[Row]:
    """What each officer under these units reported to have to enforce."""
    return await connection.fetch(
        "WITH RECURSIVE below AS ("
        "  SELECT code AS root, code FROM unnest($3::text[]) code"
        "  UNION SELECT below.root, u.code FROM below JOIN platform.unit u"
        "   ON u.parent = below.code AND u.valid_from <= $2"
        "   AND (u.valid_to IS NULL OR u.valid_to > $2))"
        f" SELECT below.root, cards.* FROM ({CARD.format(source=source)}"
        "  AND kind = 'officer' AND category = 'all' AND to_enforce IS NOT NULL"
        "  AND measure IN ('cases', 'money')) cards"
        " JOIN below ON below.code = cards.unit AND below.root <> cards.unit"
        " ORDER BY to_enforce DESC, name_sort, unit",
        period,
        end,
        list(units),
    )


async def usual_loads(
    connection: Connection, period: str, end: date, *, source: str, kind: str
) -> list[Row]:
    """Median load and median distance from it, among all units of a kind."""
    return await connection.fetch(
        "SELECT measure, cardinality(loads) AS units, scoring.median(loads) AS median,"
        " scoring.mad(loads) AS mad FROM (SELECT measure,"
        "  array_agg(per_officer ORDER BY per_officer) AS loads"
        f" FROM ({CARD.format(source=source)} AND kind = $3 AND category = 'all'"
        "  AND per_officer IS NOT NULL) cards GROUP BY measure) by_measure",
        period,
        end,
        kind,
    )

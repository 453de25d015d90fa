"""National months laid straight into the tables of ingest by COPY (made up)."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime

import asyncpg

from bench.ingest_reports import tree
from libs.common.database import speak_json

CATEGORIES = ("all", *(f"c{n}" for n in range(1, 15)))
MEASURES = (("cases", 1), ("money", 1_000_000))
BEGAN, RECEIVED = date(2010, 1, 1), datetime(2022, 1, 1, tzinfo=UTC)
_UNIT = (
    *("code", "valid_from", "name", "name_sort", "kind", "parent", "aliases", "codes"),
)
_REPORT = (
    *("unit", "period", "revision", "batch", "illustrative", "author", "received_at"),
)
_COUNTS = (
    *("carried_over", "newly_accepted", "total_accepted", "entrusted", "to_enforce"),
    *("enforceable", "completed", "terminated", "not_enforceable", "separate_ledger"),
)
_FIGURE = (
    *("period", "unit", "measure", "category", "revision", "illustrative"),
    *("received_at", *_COUNTS),
)


async def lay_tree(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """63 provinces with their offices, 700 units in all."""
    await speak_json(connection)
    records: list[tuple[object, ...]] = [
        (u["code"], BEGAN, u["name"], u["code"], u["kind"], u["parent"], [], [])
        for u in tree()["units"]
    ]
    await connection.copy_records_to_table(
        "unit", schema_name="ingest", columns=_UNIT, records=records
    )


async def lay_months(
    connection: asyncpg.Connection[asyncpg.Record], periods: Sequence[str]
) -> None:
    """Every row of these months, each a cumulative cut of its working year."""
    for period in periods:
        units = [unit["code"] for unit in tree()["units"]]
        await connection.copy_records_to_table(
            "report",
            schema_name="ingest",
            columns=_REPORT,
            records=[(u, period, 1, "bench", True, "bench", RECEIVED) for u in units],
        )
        await connection.copy_records_to_table(
            "figure",
            schema_name="ingest",
            columns=_FIGURE,
            records=_rows(period, units),
        )
    await connection.execute("ANALYZE ingest.figure, ingest.report, ingest.unit")


def _rows(period: str, units: Sequence[str]) -> Iterator[tuple[object, ...]]:
    months, dice = int(period[5:]), random.Random(period)
    for number, unit in enumerate(units):
        for category in CATEGORIES:
            for measure, scale in MEASURES:
                accepted = months * (20 + number % 60) + dice.randrange(9)
                enforceable = 900 + number + accepted
                done = months * (30 + number % 40) + dice.randrange(9)
                counts = (
                    *(700, accepted, 700 + accepted, 3 * months + dice.randrange(3)),
                    *(enforceable + 300, enforceable, done, 7),
                    *(300, 50 + dice.randrange(5)),
                )
                scaled = (count * scale for count in counts)
                yield period, unit, measure, category, 1, True, RECEIVED, *scaled


def years(first: int, last: int) -> list[str]:
    """Every month of these working years."""
    return [f"{y}M{m:02d}" for y in range(first, last + 1) for m in range(1, 13)]

"""A million case records as NDJSON over HTTP in one request, and the same changed.

The limit is json.loads of every line and one COPY into a logged table with the same
primary key. Beside it: the most memory that the serving process took.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import AsyncIterator, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from bench.ingest_reports import tree
from bench.measure import Result, seconds, share_of_limit
from bench.stage import Stage, database, serving

RECORDS = 1_000_000
_UNITS = [unit["code"] for unit in tree()["units"]]
_FIRST = date(2017, 1, 1)
_STATUSES = ("enforceable", "enforceable", "not_enforceable", "postponed", "completed")


def record(number: int, more: int = 0) -> dict[str, Any]:
    """One record of a made-up case; `more` makes it a later one."""
    decided = _FIRST + timedelta(days=number % 1700)
    return {
        "unit": _UNITS[number % len(_UNITS)],
        "case_no": f"{number}/QĐ-CCTHADS",
        "as_of": (date(2022, 2, 28) + timedelta(days=more)).isoformat(),
        "decided_on": decided.isoformat(),
        "status": _STATUSES[number % 5],
        "status_since": (decided + timedelta(days=number % 30)).isoformat(),
        "claims": ["credit"] if number % 9 == 0 else ["on_request"],
        "key_case": number % 500 == 0,
        "due_vnd": 1_000_000 + number * 1000,
        "collected_vnd": 1000 * (number % 900) + more,
        "verified_on": ["2020-03-05", "2021-02-01"] if number % 3 == 0 else [],
    }


def written(path: Path, count: int, more: int = 0) -> Path:
    """The records as NDJSON in a file."""
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            file.write(json.dumps(record(number, more), ensure_ascii=False) + "\n")
    return path


async def run() -> list[Result]:
    """First time, all changed, and the limit, on one database."""
    with tempfile.TemporaryDirectory() as home, database() as url:
        fresh = written(Path(home) / "first.ndjson", RECORDS)
        other = written(Path(home) / "changed.ndjson", RECORDS, more=1)
        async with serving(url) as stage, client(stage) as http:
            (await http.put("/v1/units", json=tree())).raise_for_status()
            first = await seconds(lambda: posted(http, fresh))
            changed = await seconds(lambda: posted(http, other))
            memory = stage.peak_memory_mb()
        bound = await limit(url, fresh)
    return [
        share_of_limit("ingest_cases first", [first], [bound], 0.4),
        share_of_limit("ingest_cases changed", [changed], [bound], 0.4),
        Result(
            *("ingest_cases peak memory", memory, "MB", None, None, "<= 300 MB"),
            memory <= 300,
        ),
    ]


def client(stage: Stage) -> httpx.AsyncClient:
    """Asks as an administrator, and waits long."""
    return httpx.AsyncClient(
        base_url=stage.address,
        headers={"authorization": f"Bearer {stage.key}"},
        timeout=3600,
        trust_env=False,
    )


async def posted(http: httpx.AsyncClient, path: Path) -> None:
    """Send a file of records; every one of them must be taken."""
    answer = await http.post(
        "/v1/cases",
        content=_pieces(path),
        headers={"content-type": "application/x-ndjson"},
    )
    receipt = answer.raise_for_status().json()
    assert receipt["unchanged"] == 0, receipt


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(1 << 18):
            yield piece


_COLUMNS = (
    "unit text, case_no text, year smallint, as_of date, decided_on date, status text,"
    " status_since date, claims text[], key_case boolean, due_vnd bigint,"
    " collected_vnd bigint, verified_on date[], PRIMARY KEY (unit, case_no, year)"
)


async def limit(url: str, path: Path) -> float:
    """The least that anyone must do: parse every line, copy it once."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f"CREATE TABLE bench_limit ({_COLUMNS})")

        async def barely() -> None:
            await connection.copy_records_to_table(
                "bench_limit", records=_rows(path), timeout=3600
            )

        return await seconds(barely)
    finally:
        await connection.close()


def _rows(path: Path) -> Iterator[tuple[Any, ...]]:
    with path.open("rb") as file:
        for line in file:
            one = json.loads(line)
            decided = date.fromisoformat(one["decided_on"])
            yield (
                one["unit"],
                one["case_no"],
                decided.year,
                date.fromisoformat(one["as_of"]),
                decided,
                one["status"],
                date.fromisoformat(one["status_since"]),
                one["claims"],
                one["key_case"],
                one["due_vnd"],
                one["collected_vnd"],
                [date.fromisoformat(day) for day in one["verified_on"]],
            )

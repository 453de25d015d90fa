"""Ten thousand, a hundred thousand, a million cases: time must grow no faster.

The slope of log time over log number, for taking cases in and for listing the flagged.
"""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import httpx

from bench.ingest_cases import client, posted, written
from bench.ingest_reports import tree
from bench.measure import Result, seconds
from bench.stage import database, serving

SIZES = (10_000, 100_000, 1_000_000)


async def run() -> list[Result]:
    """Each size on a database of its own."""
    taken, asked = [], []
    for size in SIZES:
        with tempfile.TemporaryDirectory() as home, database() as url:
            path = written(Path(home) / "cases.ndjson", size)
            async with serving(url) as stage, client(stage) as http:
                (await http.put("/v1/units", json=tree())).raise_for_status()
                taken.append(await seconds(lambda: posted(http, path)))  # noqa: B023
                asked.append(await seconds(lambda: _flagged(http)))
    return [_slope("growth of taking in", taken), _slope("growth of listing", asked)]


async def _flagged(http: httpx.AsyncClient) -> None:
    parameters: dict[str, str | int] = {"flag": "key_case", "limit": 1000}
    (await http.get("/v1/cases", params=parameters)).raise_for_status()


def _slope(name: str, times: list[float]) -> Result:
    """The steepest part counts."""
    slopes = [
        math.log(later / sooner) / math.log(more / less)
        for sooner, later, less, more in zip(
            times, times[1:], SIZES, SIZES[1:], strict=False
        )
    ]
    slope = round(max(slopes), 2)
    return Result(
        name, slope, "slope", None, round(times[-1], 2), "<= 1.1", slope <= 1.1
    )

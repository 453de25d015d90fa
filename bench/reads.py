"""Five years of national months (1.26 million figure rows, made up), read over HTTP.

What a reader waits for at the 95th percentile, with one client beside the server; and
what scoring one changed row costs against scoring its whole month.
"""

from __future__ import annotations

import asyncpg
import httpx

from bench.measure import Result, at_most_times, percentile, seconds
from bench.national import lay_months, lay_tree, years
from bench.stage import Stage, database, serving
from libs.common.periods import Period
from migrations import migrate
from services.scoring.computing import score

MONTHS = years(2018, 2022)
ASKED, RUNS = 200, 5
CARD, RANKING = 0.050, 0.100  # seconds that must be reached

READS = {
    "one unit's scorecards": ("/v1/scorecards/P{n}/{period}", CARD),
    "provinces' scorecards": (
        "/v1/scorecards?period={period}&measure=cases&category=all&kind=province",
        CARD,
    ),
    "a page of all scorecards": ("/v1/scorecards?period={period}&limit=100", CARD),
    "ranking of provinces": ("/v1/rankings/{period}", RANKING),
    "ranking of offices": ("/v1/rankings/{period}?kind=office&limit=1000", RANKING),
    "ranking as a workbook": ("/v1/rankings/{period}?format=xlsx", RANKING),
}


async def run() -> list[Result]:
    """Every kind of read, and a change of one row beside the whole month."""
    with database() as url:
        await migrate(url)
        connection = await asyncpg.connect(url)
        try:
            await lay_tree(connection)
            await lay_months(connection, MONTHS)
            for month in MONTHS:
                await _scored(connection, month)
            await connection.execute("VACUUM ANALYZE")
            changed = await _one_row(connection)
        finally:
            await connection.close()
        async with serving(url) as stage, _client(stage) as http:
            reads = [await _read(http, name, *how) for name, how in READS.items()]
    return [*reads, changed]


async def _scored(
    connection: asyncpg.Connection[asyncpg.Record],
    month: str,
    cells: tuple[list[str], list[str]] | None = None,
) -> None:
    async with connection.transaction():
        await score(connection, Period.parse(month), [], cells)


def _client(stage: Stage) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=stage.address,
        headers={"Authorization": f"Bearer {stage.key}"},
        timeout=60,
    )


async def _read(http: httpx.AsyncClient, name: str, path: str, reach: float) -> Result:
    """Spread over months and units; the first few of a connection do not count."""
    paths = [
        path.format(n=i % 63, period=MONTHS[-1 - i % 24]) for i in range(ASKED + 20)
    ]
    took = []
    for one in paths:

        async def ask(one: str = one) -> None:
            (await http.get(one)).raise_for_status()

        took.append(await seconds(ask))
    p95 = percentile(took[20:], 95)
    within = f"p95 <= {reach} s"
    return Result(f"reading {name}", p95, "s", None, None, within, p95 <= reach)


async def _one_row(connection: asyncpg.Connection[asyncpg.Record]) -> Result:
    """One changed row of one category, against the whole month."""
    one, whole = [], []
    for number in range(RUNS):
        await connection.execute(
            "UPDATE ingest.figure SET completed = 100 + $1 WHERE period = '2022M05'"
            " AND unit = 'P1' AND measure = 'cases' AND category = 'c3'",
            number,
        )
        cell = (["cases"], ["c3"])
        one.append(await seconds(lambda: _scored(connection, "2022M05", cell)))  # noqa: B023
        whole.append(await seconds(lambda: _scored(connection, "2022M05")))
    return at_most_times("scoring one changed row", one, whole, 0.2)

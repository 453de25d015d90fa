"""HTTP of backtests."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path

from libs.common.access import allows
from libs.common.database import Database
from libs.common.http import api_router, database_of
from libs.common.keys import Principal
from libs.common.paging import Cursor, Limit, Page, page, read_cursor
from services.alerts.backtests import shown, store, usecases
from services.alerts.backtests.schemas import BacktestIn
from services.alerts.backtests.shown import Backtest

router = api_router("alerts")
Alerts = Annotated[Database, database_of("alerts")]
# A backtest names the units of the whole tree.
Steward = Annotated[Principal, allows("steward", at_root=True)]
Id = Annotated[str, Path(max_length=64, examples=["below-last-year"])]


@router.post("/v1/rules/{id}/backtest")
async def backtest_rule(
    id: Id, body: BacktestIn, principal: Steward, database: Alerts
) -> Backtest:
    """Judge a version over past months, beside the active one, and record it.

    Each month is judged as of ten days after its end: with the figures known `now`, or
    with those known `then` (`running` until scoring has recalled each month; ask for it
    again). At most 60 months. Rules of cases look at the cases as they stand, as of
    each month's end.
    """
    return await usecases.run(
        database,
        principal.key,
        id,
        first=body.from_,
        last=body.to,
        version=body.version,
        known=body.known,
    )


@router.get("/v1/rules/{id}/backtests")
async def list_backtests(
    id: Id, _: Steward, database: Alerts, limit: Limit = 20, cursor: Cursor = None
) -> Page[Backtest]:
    """The backtests of a rule that were recorded, the newest first."""
    after = read_cursor(cursor, str)
    async with database.reading() as connection:
        rows = await store.listed(connection, id, None, after, limit + 1)
    return page(rows, limit, lambda r: [r["id"]], shown.backtest)


@router.get("/v1/rules/{id}/backtests/{backtest}")
async def get_backtest(
    id: Id,
    backtest: Annotated[str, Path(max_length=64)],
    _: Steward,
    database: Alerts,
) -> Backtest:
    """One backtest; `running` while months are missing."""
    async with database.reading() as connection:
        return await usecases.found(connection, id, backtest)

"""HTTP of alerts: evaluations, decisions, matters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import Path, Query, Request

from libs.common import clock
from libs.common.access import Reader, allows, in_scope
from libs.common.database import Connection, Database
from libs.common.http import api_router, database_of, read_period
from libs.common.ids import new_id
from libs.common.keys import ROOT, Principal
from libs.common.paging import Cursor, Limit, Page, page, read_cursor
from libs.common.problems import Fault, Text, invalid
from services.alerts import evaluation, shown, store
from services.alerts.duties.usecases import supervised
from services.alerts.schemas import (
    EvaluationIn,
)
from services.alerts.shown import (
    Decision,
    EvaluationShown,
)

router = api_router("alerts")
Alerts = Annotated[Database, database_of("alerts")]
Id = Annotated[str, Path(max_length=64)]
Responder = Annotated[Principal, allows("responder")]
Supervisor = Annotated[Principal, allows("supervisor")]


@router.post("/v1/evaluations")
async def evaluate(
    body: EvaluationIn, request: Request, principal: Supervisor, database: Alerts
) -> EvaluationShown:
    """Judge a period's rows by the active rules, now; `dry_run` leaves nothing behind.

    It reaches the units strictly below the key's own (everything for an admin).
    """
    code = read_period(body.period).code
    async with database.transaction() as connection:
        await _check_rules(connection, body.rules or ())
        units = await _reached(connection, principal)
        judging = evaluation.foretell if body.dry_run else evaluation.evaluate
        found = await judging(
            connection,
            request.app.state.judge,
            code,
            now=await clock.business_now(connection),
            at=body.at,
            rules=body.rules,
            units=units,
            actor=principal.key,
        )
    return EvaluationShown(
        evaluation=new_id("evl"),
        at=found.at,
        fired=found.fired,
        held=found.held,
        inhibited=found.inhibited,
        opened=len(found.opened),
        updated=len(found.updated),
        closed=len(found.closed),
    )


async def _check_rules(connection: Connection, wanted: Sequence[str]) -> None:
    active = {row["id"] for row in await store.active_rules(connection)}
    unknown = [(i, id) for i, id in enumerate(wanted) if id not in active]
    if unknown:
        raise invalid(
            [
                Fault(
                    f"/rules/{index}",
                    "unknown_rule",
                    Text(
                        f"Không có quy tắc đang áp dụng «{id}».",
                        f"There is no active rule {id!r}.",
                    ),
                )
                for index, id in unknown
            ]
        )


async def _reached(connection: Connection, principal: Principal) -> list[str] | None:
    """The units that its evaluation reaches; None for an admin at the root."""
    if principal.may("admin") and principal.scope is None:
        return None
    return sorted(await supervised(connection, principal))


@router.get("/v1/decisions")
async def list_decisions(
    period: Annotated[str, Query(max_length=10)],
    principal: Reader,
    database: Alerts,
    rule: Annotated[str | None, Query(max_length=64)] = None,
    unit: str = ROOT,
    verdict: Literal["fired", "held", "silent"] | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[Decision]:
    """The last verdict per rule and row at and under a unit, with its trace."""
    cut = read_period(period)
    after = read_cursor(cursor, str, str, str, str)
    async with database.reading() as connection:
        rows = await store.decisions(
            connection,
            units=await in_scope(connection, principal, unit, cut.end),
            period=cut.code,
            rule=rule,
            verdict=verdict,
            after=after,
            limit=limit + 1,
        )
    return page(
        rows,
        limit,
        lambda r: [r["rule"], r["unit"], r["measure"], r["category"]],
        shown.decision,
    )

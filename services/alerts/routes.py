"""HTTP of alerts: evaluations, decisions, matters."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import Path, Query, Request

from libs.common import clock
from libs.common.access import Reader, allows, in_scope
from libs.common.database import Connection, Database
from libs.common.http import api_router, database_of, read_period
from libs.common.ids import new_id
from libs.common.keys import ROOT, Principal
from libs.common.paging import Cursor, Limit, Page, bad_cursor, page, read_cursor
from libs.common.problems import Fault, Text, invalid
from services.alerts import evaluation, shown, store, usecases
from services.alerts.schemas import (
    AcceptanceIn,
    EvaluationIn,
    ExplanationIn,
    NoteIn,
    ReturnIn,
    Severity,
)
from services.alerts.shown import (
    Decision,
    Escalation,
    EscalationWhole,
    EvaluationShown,
    HandedIn,
)

router = api_router()
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
    return sorted(await usecases.supervised(connection, principal))


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


@router.get("/v1/escalations")
async def list_escalations(
    principal: Reader,
    database: Alerts,
    state: Literal["open", "explained", "returned", "closed"] | None = None,
    unit: Annotated[str | None, Query(max_length=40)] = None,
    under: Annotated[str, Query(max_length=40)] = ROOT,
    rule: Annotated[str | None, Query(max_length=64)] = None,
    severity: Severity | None = None,
    overdue: bool | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[Escalation]:
    """Matters between units and the level above them, oldest first."""
    after = _opened_after(cursor)
    async with database.reading() as connection:
        now = await clock.business_now(connection)
        units = await in_scope(connection, principal, under)
        if unit is not None:
            await in_scope(connection, principal, unit)
            units = [code for code in units if code == unit]
        rows = await store.matters_listed(
            connection,
            units=units,
            state=state,
            rule=rule,
            severity=severity,
            overdue=overdue,
            now=now,
            after=after,
            limit=limit + 1,
        )
    return page(
        rows,
        limit,
        lambda r: [r["opened_at"].isoformat(), r["id"]],
        lambda row: shown.escalation(row, now),
    )


def _opened_after(cursor: str | None) -> tuple[object, ...] | None:
    keys_ = read_cursor(cursor, str, str)
    if keys_ is None:
        return None
    try:
        opened_at = datetime.fromisoformat(str(keys_[0])).astimezone(UTC)
    except (ValueError, OverflowError):
        raise bad_cursor() from None
    return opened_at, keys_[1]


@router.get("/v1/escalations/{id}")
async def get_escalation(
    id: Id, principal: Reader, database: Alerts
) -> EscalationWhole:
    """One matter with its facts, trace, basis, what was handed in, and its history."""
    async with database.reading() as connection:
        now = await clock.business_now(connection)
        row = await store.matter(connection, id)
        if row is None or not principal.sees(row["unit"]):
            raise usecases.no_such("escalation", "vụ việc", id)
        entries = await store.history(connection, id)
        handed_in = await store.explanations(connection, id)
    return EscalationWhole(
        **shown.escalation(row, now),
        explanations=[shown.explanation(one) for one in handed_in],
        history=[shown.entry(one) for one in entries],
    )


@router.post("/v1/escalations/{id}/acknowledge")
async def acknowledge(
    id: Id, principal: Responder, database: Alerts, body: NoteIn | None = None
) -> Escalation:
    """Say that the unit knows of it. It never stops the clock."""
    note = body.note if body else None
    return await usecases.acknowledge(database, principal, id, note)


@router.post("/v1/escalations/{id}/explanations", status_code=201)
async def hand_in(
    id: Id, body: ExplanationIn, principal: Responder, database: Alerts
) -> HandedIn:
    """Hand in an explanation, a plan or a report; it stops the clock."""
    return await usecases.hand_in(
        database,
        principal,
        id,
        causes=body.causes,
        text=body.text,
        remedies=[r.model_dump(mode="json") for r in body.remedies],
        attachments=body.attachments,
    )


Number = Annotated[int, Path(ge=1, lt=2**31)]


@router.post("/v1/escalations/{id}/explanations/{n}/accept")
async def accept(
    id: Id,
    n: Number,
    principal: Supervisor,
    database: Alerts,
    body: AcceptanceIn | None = None,
) -> Escalation:
    """Accept what a unit below handed in: the matter is closed."""
    reason = body.reason if body else None
    return await usecases.accept(database, principal, id, n, reason)


@router.post("/v1/escalations/{id}/explanations/{n}/return")
async def send_back(
    id: Id,
    n: Number,
    principal: Supervisor,
    database: Alerts,
    body: ReturnIn | None = None,
) -> Escalation:
    """Return what a unit below handed in for more, with a new deadline.

    By the end of `due`, or within three working days where none is given.
    """
    return await usecases.send_back(
        database,
        principal,
        id,
        n,
        reason=body.reason if body else None,
        due=body.due if body else None,
    )

"""HTTP of matters: who reads them, and every act that moves one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import Path, Query

from libs.common import clock
from libs.common.access import Reader, allows, in_scope
from libs.common.database import Database
from libs.common.http import api_router, database_of, read_period
from libs.common.keys import ROOT, Principal
from libs.common.paging import Cursor, Limit, Page, bad_cursor, page, read_cursor
from services.alerts import shown, store
from services.alerts.cases import store as cases
from services.alerts.domain.watching import Watch
from services.alerts.duties import exemptions, usecases
from services.alerts.duties import shown as duties
from services.alerts.duties import store as acts
from services.alerts.duties.schemas import (
    AcceptanceIn,
    EndIn,
    EscalationIn,
    ExemptionIn,
    ExplanationIn,
    NoteIn,
    ReturnIn,
    RuleId,
    WithdrawalIn,
)
from services.alerts.duties.shown import Answered, Exemption
from services.alerts.schemas import Severity
from services.alerts.shown import Escalation, EscalationWhole, HandedIn, Member
from services.alerts.usecases import no_such

router = api_router("alerts")
Alerts = Annotated[Database, database_of("alerts")]
Id = Annotated[str, Path(max_length=64)]
Number = Annotated[int, Path(ge=1, lt=2**31)]
Responder = Annotated[Principal, allows("responder")]
Supervisor = Annotated[Principal, allows("supervisor")]


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
        hidden: set[str] = set()
        if ROOT not in principal.units:
            hidden = set(units) - await usecases.supervised(connection, principal)
        rows = await store.matters_listed(
            connection,
            units=units,
            state=state,
            rule=rule,
            severity=severity,
            overdue=overdue,
            hidden=sorted(hidden),
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
        if row is None or not await usecases.may_see(connection, principal, row):
            raise no_such("escalation", "vụ việc", id)
        entries = await store.history(connection, id)
        handed_in = await store.explanations(connection, id)
    return EscalationWhole(
        **shown.escalation(row, now),
        explanations=[shown.explanation(one) for one in handed_in],
        history=[shown.entry(one) for one in entries],
    )


@router.get("/v1/escalations/{id}/members")
async def list_members(
    id: Id,
    principal: Reader,
    database: Alerts,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[Member]:
    """Every case that a matter is about, by the rule that opened it, today."""
    after = read_cursor(cursor, int)
    async with database.reading() as connection:
        row = await store.matter(connection, id)
        if row is None or not await usecases.may_see(connection, principal, row):
            raise no_such("escalation", "vụ việc", id)
        rule = await usecases.rule_of(connection, row)
        if rule.watches is not Watch.CASE:
            return Page(items=[], next=None)
        day = clock.day_of(await clock.business_now(connection))
        rows = await cases.members(
            connection, rule, day, row["unit"], after and after[0], limit + 1
        )
    return page(rows, limit, lambda r: [r["id"]], duties.member)


@router.post("/v1/escalations/{id}/acknowledge")
async def acknowledge(
    id: Id, principal: Responder, database: Alerts, body: NoteIn | None = None
) -> Escalation:
    """Say that the unit knows of it. It never stops the clock."""
    said = body or NoteIn()
    return await usecases.acknowledge(
        database, principal, id, note=said.note, sequence=said.sequence
    )


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
        sequence=body.sequence,
    )


@router.post("/v1/escalations/{id}/explanations/{n}/withdraw")
async def take_back(
    id: Id,
    n: Number,
    principal: Responder,
    database: Alerts,
    body: AcceptanceIn | None = None,
) -> Escalation:
    """Take back what was handed in and not yet judged: the clock runs on."""
    said = body or AcceptanceIn()
    return await usecases.take_back(
        database, principal, id, n, reason=said.reason, sequence=said.sequence
    )


@router.post("/v1/escalations/{id}/explanations/{n}/accept")
async def accept(
    id: Id,
    n: Number,
    principal: Supervisor,
    database: Alerts,
    body: AcceptanceIn | None = None,
) -> Escalation:
    """Accept what a unit below handed in: the matter is closed.

    Where a report is owed every month or quarter and the data still ask for it, the
    matter stays open and is due again.
    """
    said = body or AcceptanceIn()
    return await usecases.accept(
        database, principal, id, n, reason=said.reason, sequence=said.sequence
    )


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
    said = body or ReturnIn()
    return await usecases.send_back(
        database,
        principal,
        id,
        n,
        reason=said.reason,
        due=said.due,
        sequence=said.sequence,
    )


@router.post("/v1/escalations/{id}/withdraw")
async def withdraw(
    id: Id, body: WithdrawalIn, principal: Supervisor, database: Alerts
) -> Escalation:
    """Close a matter that should not stand; it does not open again by itself."""
    return await usecases.withdraw(
        database, principal, id, reason=body.reason, sequence=body.sequence
    )


@router.post("/v1/escalations/{id}/escalate")
async def escalate(
    id: Id, body: EscalationIn, principal: Supervisor, database: Alerts
) -> Escalation:
    """Take a matter up by hand to a level above its unit; the deadline stays."""
    return await usecases.escalate(
        database, principal, id, to=body.to, reason=body.reason, sequence=body.sequence
    )


@router.get("/v1/explanations/summary")
async def summarise(
    period: Annotated[str, Query(max_length=10)],
    principal: Reader,
    database: Alerts,
    under: Annotated[str, Query(max_length=40)] = ROOT,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[Answered]:
    """Who answered for a period, who late, who was asked for more, who owes still."""
    cut = read_period(period)
    after = read_cursor(cursor, str)
    async with database.reading() as connection:
        units = await in_scope(connection, principal, under, cut.end)
        now = await clock.business_now(connection)
        rows = await acts.answers(
            connection, cut.code, units, now, after and after[0], limit + 1
        )
    return page(rows, limit, lambda r: [r["unit"]], duties.answered)


@router.get("/v1/exemptions")
async def list_exemptions(
    principal: Reader,
    database: Alerts,
    under: Annotated[str, Query(max_length=40)] = ROOT,
    rule: Annotated[RuleId | None, Query()] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[Exemption]:
    """Units that owe nothing under a rule for a while, also those that are over."""
    after = read_cursor(cursor, str)
    async with database.reading() as connection:
        now = await clock.business_now(connection)
        units = await in_scope(connection, principal, under)
        rows = await acts.exemptions(
            connection, units, rule, after and after[0], limit + 1
        )
    return page(
        rows, limit, lambda r: [r["id"]], lambda row: duties.exemption(row, now)
    )


@router.post("/v1/exemptions", status_code=201)
async def exempt(
    body: ExemptionIn, principal: Supervisor, database: Alerts
) -> Exemption:
    """Exempt a unit below from a rule: what is open is closed, nothing opens."""
    return await exemptions.exempt(
        database,
        principal,
        unit=body.unit,
        rule=body.rule,
        until=body.until,
        document=body.document.model_dump(mode="json"),
        reason=body.reason,
    )


@router.post("/v1/exemptions/{id}/end")
async def end_exemption(
    id: Id, body: EndIn, principal: Supervisor, database: Alerts
) -> Exemption:
    """End an exemption before its day; the next evaluation judges the unit again."""
    return await exemptions.end(database, principal, id, reason=body.reason)

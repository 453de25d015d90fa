"""HTTP of alerts: rules, evaluations, matters, subscriptions."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import structlog
from fastapi import APIRouter, Path, Query, Request

from libs.common import clock, keys
from libs.common.access import Reader, allows, in_scope
from libs.common.database import Connection, Database, Row
from libs.common.http import api_router, database_of, read_period
from libs.common.ids import new_id
from libs.common.keys import ROOT, Principal
from libs.common.paging import Cursor, Limit, Page, bad_cursor, page, read_cursor
from libs.common.problems import Fault, Text, invalid
from libs.common.sealing import seal
from services.alerts import evaluation, messages, outbox, shown, store, usecases
from services.alerts.domain.addresses import AddressRefused
from services.alerts.domain.signing import new_secret
from services.alerts.domain.vocabulary import VOCABULARY
from services.alerts.schemas import (
    AcceptanceIn,
    EvaluationIn,
    ExplanationIn,
    NoteIn,
    ReturnIn,
    Severity,
    SubscriptionIn,
)
from services.alerts.shown import (
    Decision,
    Delivery,
    Escalation,
    EscalationWhole,
    EvaluationShown,
    HandedIn,
    NewSubscription,
    Pinged,
    Subscription,
    Word,
)

log = structlog.get_logger()
router = api_router()
Alerts = Annotated[Database, database_of("alerts")]
Id = Annotated[str, Path(max_length=64)]
Responder = Annotated[Principal, allows("responder")]
Supervisor = Annotated[Principal, allows("supervisor")]
Subscriber = Annotated[Principal, allows("subscriber")]


@router.get("/v1/rules")
async def list_rules(
    _: Reader, database: Alerts, limit: Limit = 100, cursor: Cursor = None
) -> Page[dict[str, Any]]:
    """Every version of every rule, with its text as it was loaded."""
    after = read_cursor(cursor, str, int)
    async with database.connection() as connection:
        rows = await store.rules_listed(connection, after, limit + 1)
    return page(rows, limit, lambda r: [r["id"], r["version"]], shown.rule)


@router.get("/v1/rules/vocabulary")
async def get_vocabulary(_: Reader) -> Page[Word]:
    """The names that a rule may use, what each holds and means."""
    words = [
        Word(name=w.name, kind=w.kind, vi=w.says.vi, en=w.says.en)
        for w in VOCABULARY.values()
    ]
    return Page(items=words, next=None)


@router.get("/v1/rules/{id}")
async def get_rule(
    id: Id,
    _: Reader,
    database: Alerts,
    version: Annotated[int | None, Query(ge=1, lt=2**31)] = None,
) -> dict[str, Any]:
    """One version of a rule; without a version the active one."""
    async with database.connection() as connection:
        row = await store.rule_version(connection, id, version)
    if row is None:
        raise usecases.no_such("rule", "quy tắc", id)
    return shown.rule(row)


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


@router.post("/v1/subscriptions", status_code=201)
async def subscribe(
    body: SubscriptionIn, request: Request, principal: Subscriber, database: Alerts
) -> NewSubscription:
    """Subscribe an address. The secret stands in this answer and never again.

    Deliveries are signed by Standard Webhooks; verify them before trusting them.
    """
    try:
        await request.app.state.sender.check(body.url)
    except AddressRefused as refused:
        # The subscriber is told nothing of the inside; the operator is.
        await log.ainfo("address refused", why=refused.why)
        why = Text(**refused.texts)
        raise invalid([Fault("/url", refused.code, why)]) from None
    secret, id = new_secret(secrets.token_bytes), new_id("sub")
    settings = request.app.state.settings
    async with database.transaction() as connection:
        if not principal.sees(body.under) or not await keys.known_units(
            connection, [body.under]
        ):
            raise invalid([_unknown_under(body.under)])
        row = await outbox.keep_subscription(
            connection,
            id,
            key=principal.key,
            url=body.url,
            types=sorted(set(body.types)),
            under=body.under,
            min_severity=body.min_severity,
            secret=seal(settings.key_for("subscription secrets"), id, secret),
            now=await clock.business_now(connection),
        )
    return NewSubscription(**shown.subscription(row), secret=secret)


def _unknown_under(code: str) -> Fault:
    return Fault(
        "/under",
        "unknown_unit",
        Text(f"Không có đơn vị «{code}».", f"There is no unit {code!r}."),
    )


def _whose(principal: Principal) -> str | None:
    """A key sees its own subscriptions; an admin at the root sees all."""
    at_root = principal.may("admin") and principal.scope is None
    return None if at_root else principal.key


@router.get("/v1/subscriptions")
async def list_subscriptions(
    principal: Subscriber,
    database: Alerts,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[Subscription]:
    """The key's subscriptions, without their secrets."""
    after = read_cursor(cursor, str)
    async with database.connection() as connection:
        rows = await outbox.subscriptions(
            connection,
            _whose(principal),
            str(after[0]) if after else None,
            limit + 1,
        )
    return page(rows, limit, lambda r: [r["id"]], shown.subscription)


@router.get("/v1/subscriptions/{id}")
async def get_subscription(
    id: Id, principal: Subscriber, database: Alerts
) -> Subscription:
    """One subscription, without its secret."""
    async with database.connection() as connection:
        return shown.subscription(await _found(connection, principal, id))


@router.post("/v1/subscriptions/{id}/ping", status_code=202)
async def ping(id: Id, principal: Subscriber, database: Alerts) -> Pinged:
    """Send a `ping` through the same guarded way as every other message."""
    async with database.transaction() as connection:
        row = await _found(connection, principal, id)
        now = await clock.business_now(connection)
        message = messages.of_ping(id, now)
        await outbox.address_to(connection, message, row["id"])
    return Pinged(message=message.id)


@router.get("/v1/subscriptions/{id}/deliveries")
async def list_deliveries(
    id: Id,
    principal: Subscriber,
    database: Alerts,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[Delivery]:
    """What was sent and how each attempt ended, newest first."""
    before = read_cursor(cursor, int)
    async with database.reading() as connection:
        await _found(connection, principal, id)
        rows = await outbox.deliveries(
            connection, id, int(str(before[0])) if before else None, limit + 1
        )
    return page(rows, limit, lambda r: [r["id"]], shown.delivery)


async def _found(connection: Connection, principal: Principal, id: str) -> Row:
    row = await outbox.subscription(connection, id, _whose(principal))
    if row is None:
        raise usecases.no_such("subscription", "đăng ký nhận tin", id)
    return row


webhooks = APIRouter()


@webhooks.post("escalation")
def escalation_webhook() -> None:
    """A matter opened, was acknowledged, explained or closed; `data` is the matter.

    A CloudEvent in structured JSON with the headers `webhook-id`,
    `webhook-timestamp` and `webhook-signature` of Standard Webhooks. At least
    once: drop an id that you have seen. Answer 2xx within ten seconds.
    """


@webhooks.post("report")
def report_webhook() -> None:
    """A report was accepted or corrected; `data` names it and its revision."""


@webhooks.post("period")
def period_webhook() -> None:
    """A period was closed for a unit and all below it; `data` names both."""

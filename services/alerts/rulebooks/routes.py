"""HTTP of rules: their versions, what a text would be, and who moves them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Query, Request

from libs.common.access import Reader, allows
from libs.common.database import Database
from libs.common.http import api_router, database_of, read_period
from libs.common.keys import ROOT, Principal
from libs.common.paging import Cursor, Limit, Page, page, read_cursor
from services.alerts.domain.rule_life import Move
from services.alerts.domain.watching import EVERY_WORD
from services.alerts.rulebooks import shown, store, usecases
from services.alerts.rulebooks.file_schema import FILE_SCHEMA
from services.alerts.rulebooks.schemas import MoveIn
from services.alerts.rulebooks.shown import (
    Differs,
    Drafted,
    RuleChecked,
    RuleDifference,
    RuleShown,
    RuleWhole,
    Shadow,
)
from services.alerts.rulebooks.texts import JSON, YAML, text_of
from services.alerts.shown import Word

router = api_router("alerts")
Alerts = Annotated[Database, database_of("alerts")]
Steward = Annotated[Principal, allows("steward", at_root=True)]
Id = Annotated[str, Path(max_length=64, examples=["below-last-year"])]
Version = Annotated[int, Query(ge=1, lt=2**31)]

_FILE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "A rule file, as YAML or as JSON.",
        "content": {
            **{kind: {"schema": {"type": "string"}} for kind in YAML[:2]},
            JSON: {"schema": {"type": "object"}},
        },
    }
}


@router.get("/v1/rules")
async def list_rules(
    _: Reader, database: Alerts, limit: Limit = 100, cursor: Cursor = None
) -> Page[RuleShown]:
    """Every version of every rule, with its text as it was loaded."""
    after = read_cursor(cursor, str, int)
    async with database.connection() as connection:
        rows = await store.listed(connection, after, limit + 1)
    return page(rows, limit, lambda r: [r["id"], r["version"]], shown.rule)


@router.get("/v1/rules/vocabulary")
async def get_vocabulary(_: Reader) -> Page[Word]:
    """The names that a rule may use, what each holds and means."""
    return Page(items=[shown.word(w) for w in EVERY_WORD.values()], next=None)


@router.get("/v1/rules/schema")
async def get_rule_schema(_: Reader) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a rule file, for editors.

    It knows keys and shapes; what expressions mean is found by `POST /v1/rules/check`.
    """
    return FILE_SCHEMA


@router.post("/v1/rules/check", openapi_extra=_FILE)
async def check_rule(request: Request, _: Reader, database: Alerts) -> RuleChecked:
    """Say what a text would be as a rule, or all that is wrong with it; store nothing.

    `reading` says whether both readings decide it, or native alone and why. `warnings`
    keep no rule out: examples that are wanting, an inhibited rule that is not kept.
    """
    text = text_of(await request.body(), request.headers.get("content-type", ""))
    return await usecases.checked(database, text)


@router.get("/v1/rules/{id}")
async def get_rule(
    id: Id,
    _: Reader,
    database: Alerts,
    version: Annotated[int | None, Query(ge=1, lt=2**31)] = None,
) -> RuleWhole:
    """One version of a rule; without a version the active one, else the newest."""
    async with database.reading() as connection:
        row = await usecases.version_of(connection, id, version)
        events = await store.history(connection, id, row["version"])
    return shown.whole(row, events)


@router.put("/v1/rules/{id}", openapi_extra=_FILE)
async def put_rule(
    id: Id, request: Request, principal: Steward, database: Alerts
) -> Drafted:
    """Keep a new version of a rule as a draft, from YAML or JSON.

    A version never changes: the same text again is `unchanged`, another text for it
    409. Every fault of the text is named with its line, column and what to write.
    """
    text = text_of(await request.body(), request.headers.get("content-type", ""))
    return await usecases.put_draft(database, principal, id, text)


@router.get("/v1/rules/{id}/diff")
async def compare_rule_versions(
    id: Id,
    _: Reader,
    database: Alerts,
    before: Annotated[int, Query(ge=1, lt=2**31, alias="from")],
    after: Annotated[int, Query(ge=1, lt=2**31, alias="to")],
) -> RuleDifference:
    """What one version says otherwise than another, key by key, in both texts."""
    async with database.reading() as connection:
        return await usecases.difference(connection, id, before, after)


@router.post("/v1/rules/{id}/shadow")
async def shadow_rule(
    id: Id, body: MoveIn, request: Request, principal: Steward, database: Alerts
) -> RuleWhole:
    """Let a draft judge live data beside the active version, opening nothing.

    `GET /v1/rules/{id}/shadow` shows what it would have done.
    """
    return await _moved(request, database, principal, id, body, Move.SHADOW)


@router.get("/v1/rules/{id}/shadow")
async def get_shadow(
    id: Id,
    principal: Reader,
    database: Alerts,
    period: Annotated[str | None, Query(max_length=10)] = None,
    under: Annotated[str, Query(max_length=40)] = ROOT,
    difference: Differs | None = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Shadow:
    """What the version in shadow would have done in a period, and what differs.

    `would_open`: it fires where the active version does not; `would_not`: the other
    way round. It is judged whenever the active one is. Rules of cases have no period.
    """
    after = read_cursor(cursor, str, str, str)
    cut = None if period is None else read_period(period)
    async with database.reading() as connection:
        return await usecases.shadow(
            connection,
            principal,
            id,
            cut,
            under=under,
            difference=difference,
            after=after,
            limit=limit,
        )


@router.post("/v1/rules/{id}/activate")
async def activate_rule(
    id: Id, body: MoveIn, request: Request, principal: Steward, database: Alerts
) -> RuleWhole:
    """Make a version the active one; the one before it is retired.

    It needs a recorded backtest of that version (409 `no_backtest`), and a worker of
    the engine's must bear it beside all that are active.
    """
    return await _moved(request, database, principal, id, body, Move.ACTIVATE)


@router.post("/v1/rules/{id}/retire")
async def retire_rule(
    id: Id, body: MoveIn, request: Request, principal: Steward, database: Alerts
) -> RuleWhole:
    """End a version for good; the same text may come back as a new version."""
    return await _moved(request, database, principal, id, body, Move.RETIRE)


async def _moved(
    request: Request,
    database: Database,
    principal: Principal,
    id: str,
    body: MoveIn,
    wanted: Move,
) -> RuleWhole:
    trial: usecases.Trial = request.app.state.trial
    return await usecases.move(
        database, trial, principal, id, body.version, wanted, body.reason
    )

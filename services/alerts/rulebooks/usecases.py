"""What stewards do with rules, each in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from libs.common import clock
from libs.common.access import in_scope
from libs.common.database import Connection, Database, Row
from libs.common.keys import Principal
from libs.common.periods import Period
from libs.common.problems import (
    Conflict,
    Fault,
    NotFound,
    Text,
    Unacceptable,
    invalid,
)
from services.alerts import messages, outbox
from services.alerts.domain.rule_life import BECOMES, Change, Move, RuleState, possible
from services.alerts.domain.rules import Rule
from services.alerts.domain.watching import Watch
from services.alerts.engine import Mode
from services.alerts.engine.process import WorkerDied
from services.alerts.engine.trial import bear
from services.alerts.rule_notes import notes
from services.alerts.rulebook import RuleErrors, load_text
from services.alerts.rulebooks import ending, shown, store
from services.alerts.rulebooks.differences import differences
from services.alerts.rulebooks.texts import read, understood


class Trial:
    """How a set of rules is tried before it goes live: in which mode, by which
    worker."""

    def __init__(self, mode: Mode, command: Sequence[str]) -> None:
        self.mode, self.command = mode, command

    async def __call__(self, connection: Connection, rule: Rule) -> None:
        """Refuse a rule of which a worker dies, beside all that are active."""
        if self.mode == "native":
            return
        rows = await store.in_state(connection, RuleState.ACTIVE)
        beside = [r for r in map(_rule, rows) if r.watches is rule.watches]
        together = [*(r for r in beside if r.id != rule.id), rule]
        try:
            await bear(together, command=self.command)
        except (WorkerDied, OSError) as died:
            raise kills_the_engine(rule, str(died)) from None


def _rule(row: Row) -> Rule:
    return understood(row["source"])


def kills_the_engine(rule: Rule, why: str) -> Conflict:
    """409: the engine's worker died or hung with this rule among the others."""
    return Conflict(
        "kills_the_engine",
        Text(
            f"Tiến trình của bộ máy quy tắc ngừng hoặc treo khi nạp {rule.id} bản"
            f" {rule.version}; các quy tắc đang áp dụng vẫn giữ nguyên.",
            f"The rule engine's worker died or hung when it loaded {rule.id} version"
            f" {rule.version}; what is active stays in force.",
        ),
        more={"why": why},
    )


async def put_draft(
    database: Database, principal: Principal, id: str, text: str
) -> shown.Drafted:
    """Keep a new version as a draft; the same text again changes nothing."""
    rule = await asyncio.to_thread(read, text)
    if rule.id != id:
        raise invalid([Fault("/id", "id_mismatch", _mismatch(rule.id, id))])
    async with database.transaction() as connection:
        await store.one_writer(connection, id)
        row = await store.found(connection, id, rule.version)
        if row is not None and row["source"] == text:
            return shown.Drafted(**shown.rule(row), unchanged=True)
        highest = await store.newest(connection, id) or 0
        if row is not None:
            raise _version("version_exists", _EXISTS, rule.version, highest)
        if rule.version <= highest:
            raise _version("version_too_low", _TOO_LOW, rule.version, highest)
        now = await clock.business_now(connection)
        await store.keep(
            connection,
            id,
            rule.version,
            text,
            origin="api",
            now=now,
        )
        await store.log(
            connection,
            id,
            rule.version,
            Change.DRAFTED,
            actor=principal.key,
            reason=None,
            now=now,
        )
        row = await store.found(connection, id, rule.version)
        assert row is not None
        return shown.Drafted(**shown.rule(row), unchanged=False)


def _mismatch(said: str, asked: str) -> Text:
    return Text(
        f"id trong văn bản là «{said}», địa chỉ là «{asked}».",
        f"The text's id is {said!r}, the address says {asked!r}.",
    )


_EXISTS = Text(
    "Bản {version} đã có với văn bản khác; một bản không bao giờ đổi. Hãy đặt version:"
    " {next}.",
    "Version {version} is there with another text, and versions never change. Write"
    " version: {next}.",
)
_TOO_LOW = Text(
    "Đã có bản {highest}; bản mới phải cao hơn mọi bản. Hãy đặt version: {next}.",
    "There is a version {highest}; a new one must be higher than all. Write version:"
    " {next}.",
)


def _version(code: str, says: Text, version: int, highest: int) -> Conflict:
    said = {"version": version, "highest": highest, "next": highest + 1}
    text = Text(says.vi.format(**said), says.en.format(**said))
    return Conflict(code, text, more={"next_version": highest + 1})


async def checked(database: Database, text: str) -> shown.RuleChecked:
    """What a text would be as a rule, or everything that is wrong with it."""
    async with database.reading() as connection:
        known = await store.ids(connection)
    return await asyncio.to_thread(_checked, text, known)


def _checked(text: str, known: Collection[str]) -> shown.RuleChecked:
    try:
        rule = load_text(text, source="rule")
        return shown.checked(rule, notes(rule, text, "rule", known))
    except RuleErrors as errors:
        return shown.faulty(errors)


async def move(
    database: Database,
    trial: Trial,
    principal: Principal,
    id: str,
    version: int,
    wanted: Move,
    reason: str | None,
) -> shown.RuleWhole:
    """Put a version into shadow, make it the active one, or retire it.

    What stood there before it is retired in the same transaction.
    """
    async with database.transaction() as connection:
        await store.one_writer(connection, id)
        row = await version_of(connection, id, version)
        _check_possible(row, wanted)
        if wanted is Move.ACTIVATE and not await store.backtested(
            connection, id, version
        ):
            raise _no_backtest(id, version)
        if wanted is not Move.RETIRE:
            await trial(connection, _rule(row))
        now = await clock.business_now(connection)
        moved = await settle(
            connection, row, wanted, actor=principal.key, reason=reason, now=now
        )
        return shown.whole(moved, await store.history(connection, id, version))


async def settle(
    connection: Connection,
    row: Row,
    wanted: Move,
    *,
    actor: str,
    reason: str | None,
    now: datetime,
) -> Row:
    """Move a version that may be moved; retire the one in its place, and tell."""
    id, version = row["id"], row["version"]
    state, change = BECOMES[wanted]
    replaced = None
    if wanted is not Move.RETIRE:
        for other in await store.in_state(connection, state, id):
            replaced = other["version"]
            await store.move(connection, id, replaced, RuleState.RETIRED, now)
            await store.log(
                connection,
                id,
                replaced,
                Change.RETIRED,
                actor=actor,
                reason=f"replaced by version {version}",
                now=now,
            )
    if RuleState.SHADOW in (state, row["state"]):
        # What was said in shadow ends with the shadow.
        await store.forget_shadow(connection, id)
    moved = await store.move(connection, id, version, state, now)
    await store.log(
        connection, id, version, change, actor=actor, reason=reason, now=now
    )
    if RuleState(row["state"]) is RuleState.ACTIVE:
        await ending.close(connection, now, rule=id, actor=actor, reason=reason)
    if wanted is Move.ACTIVATE:
        await ending.judge_anew(connection, id)
    if wanted is Move.ACTIVATE and (replaced or row["origin"] != "shipped"):
        # Rules that come with a first installation are no news to anyone.
        news = messages.of_rule(_news(moved, replaced, reason), now)
        await outbox.announce(connection, [news])
    return moved


def _news(row: Row, replaced: int | None, reason: str | None) -> Mapping[str, object]:
    return {**shown.rule(row), "replaced_version": replaced, "reason": reason}


async def version_of(connection: Connection, id: str, version: int | None) -> Row:
    """A version that there is. Raises NotFound."""
    row = await store.found(connection, id, version)
    if row is None:
        raise no_such_rule(id, version)
    return row


def no_such_rule(id: str, version: int | None = None) -> NotFound:
    """404 for a rule, or a version of it."""
    vi = f"Không có quy tắc «{id}»" + (f" bản {version}." if version else ".")
    en = f"There is no rule {id!r}" + (f" of version {version}." if version else ".")
    return NotFound("not_found", Text(vi, en))


def _check_possible(row: Row, wanted: Move) -> None:
    state = RuleState(row["state"])
    moves = possible(state)
    if wanted in moves:
        return
    listed = ", ".join(moves) or "—"
    raise Conflict(
        "impossible_transition",
        Text(
            f"{row['id']} bản {row['version']} đang là «{state}»; làm được: {listed}.",
            f"{row['id']} version {row['version']} is {state}; possible: {listed}."
            + ("" if moves else " Send its text again as a new version."),
        ),
        more={"state": state, "possible": list(moves)},
    )


def _no_backtest(id: str, version: int) -> Conflict:
    call = f'POST /v1/rules/{id}/backtest {{"from", "to", "version": {version}}}'
    return Conflict(
        "no_backtest",
        Text(
            f"Chưa có lần thử ngược nào của bản này. Hãy gọi {call} rồi áp dụng.",
            f"No backtest of this version is recorded. Call {call}, then activate.",
        ),
        more={"do": call},
    )


async def shadow(
    connection: Connection,
    principal: Principal,
    id: str,
    cut: Period | None,
    *,
    under: str,
    difference: shown.Differs | None,
    after: tuple[object, ...] | None,
    limit: int,
) -> shown.Shadow:
    """What the version in shadow would have done, as far as the key sees."""
    found = await store.in_state(connection, RuleState.SHADOW, id)
    if not found:
        raise _no_shadow(id)
    of_cases = _rule(found[0]).watches is Watch.CASE
    if of_cases is not (cut is None):
        raise _period_wanted(of_cases)
    units = await in_scope(connection, principal, under, cut.end if cut else None)
    code = "" if cut is None else cut.code
    counts = await store.shadow_counts(connection, id, code, units)
    rows = await store.shadow_rows(
        connection,
        id,
        code,
        units=units,
        difference=difference,
        after=after,
        limit=limit + 1,
    )
    assert counts is not None
    return shown.shadow(found[0], code or None, counts, rows, limit)


def _no_shadow(id: str) -> NotFound:
    return NotFound(
        "no_shadow",
        Text(
            f"Quy tắc «{id}» không có bản nào đang chạy thử; hãy gọi"
            f" POST /v1/rules/{id}/shadow.",
            f"No version of {id!r} is in shadow; call POST /v1/rules/{id}/shadow.",
        ),
    )


def _period_wanted(of_cases: bool) -> Unacceptable:
    if of_cases:
        return Unacceptable(
            "no_period",
            Text(
                "Quy tắc về việc không có kỳ; hãy bỏ period.",
                "A rule of cases has no period; leave `period` out.",
            ),
        )
    return Unacceptable(
        "period_wanted",
        Text("Cần biết kỳ nào: ?period=2022M05.", "Say which period: ?period=2022M05."),
    )


async def difference(
    connection: Connection, id: str, before: int, after: int
) -> shown.RuleDifference:
    """How one version of a rule differs from another."""
    first = await version_of(connection, id, before)
    second = await version_of(connection, id, after)
    return shown.RuleDifference(
        id=id,
        before=before,
        after=after,
        same_text=first["source"] == second["source"],
        keys=differences(first["source"], second["source"]),
    )

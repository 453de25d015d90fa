"""`dondoc doctor`: whether what is stored holds together, a line for each claim."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import asyncpg
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from libs.common import audit, vacuum
from libs.common.database import Connection, speak_json
from libs.common.periods import Period
from libs.common.settings import Settings
from services.alerts.evaluation import Judge, ready_rules
from services.process import database
from services.scoring import usecases as scoring

OK, WARN, FAIL = "ok", "warn", "fail"
SAMPLE = 3
"""Periods whose scorecards are computed anew: those scored of late."""

Found = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Patient:
    """What is looked at: the database, as its owner, and this machine's settings."""

    owner: Connection
    url: str
    settings: Settings


Check = Callable[[Patient], Awaitable[Found]]


async def _migrations(patient: Patient) -> Found:
    from migrations import behind, differences

    late = await behind(patient.url)
    if late:
        return FAIL, f"not at head: {', '.join(late)}; run `dondoc migrate`"
    found = await differences(patient.url)
    if found:
        return FAIL, f"{len(found)} differences from the tables of this version"
    return OK, "every schema is at its head"


async def _audit(patient: Patient) -> Found:
    key = patient.settings.key_for(audit.SEALED_FOR)
    chain = await audit.verify(patient.owner, key)
    if chain.broken:
        more = len(chain.broken) - 3
        said = "; ".join(chain.broken[:3]) + (f"; and {more} more" if more > 0 else "")
        return FAIL, said
    head = await patient.owner.fetchrow(
        "SELECT n, encode(hash, 'hex') AS hash FROM platform.audit_block"
        " ORDER BY n DESC LIMIT 1"
    )
    known = f", head {head['hash'][:16]}" if head else ""
    note = f"{chain.rows} rows in {chain.blocks} blocks{known}"
    if chain.unsealed:
        note += f"; {chain.unsealed} not sealed yet"
    return OK, note


# A service writes its own schema, the tables of `platform` that join the three, and
# nothing else; nobody but the owner writes the audit log.
_TOO_MUCH = """
SELECT grantee || ' may ' || privilege_type || ' ' || table_schema || '.' || table_name
FROM information_schema.role_table_grants
WHERE table_schema IN ('platform', 'ingest', 'scoring', 'alerts')
  AND (grantee IN ('dondoc_ingest', 'dondoc_scoring', 'dondoc_alerts') AND (
      privilege_type IN ('TRUNCATE', 'TRIGGER', 'REFERENCES')
      OR (privilege_type <> 'SELECT' AND (table_name LIKE 'audit%'
        OR table_schema NOT IN ('platform', substr(grantee, 8)))))
    OR grantee = 'PUBLIC')
UNION ALL
SELECT rolname || ' is stronger than a service should be' FROM pg_roles
WHERE rolname IN ('dondoc_ingest', 'dondoc_scoring', 'dondoc_alerts',
    'dondoc_ingest_reader', 'dondoc_alerts_reader')
  AND (rolcanlogin OR rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls)
ORDER BY 1
"""


async def _grants(patient: Patient) -> Found:
    found = [row[0] for row in await patient.owner.fetch(_TOO_MUCH)]
    if found:
        return FAIL, "; ".join(found[:3])
    return OK, "no service may write another's schema or the audit log"


def _none(what: str, query: str, *, bad: str = FAIL) -> Check:
    """A check that a query finds nothing; its rows are shown, the first three."""

    async def check(patient: Patient) -> Found:
        found = [str(row[0]) for row in await patient.owner.fetch(query)]
        if not found:
            return OK, f"no {what}"
        return bad, f"{len(found)} {what}: {', '.join(found[:3])}"

    return check


_UNLOGGED = """
SELECT e.id FROM alerts.escalation e WHERE NOT EXISTS (
  SELECT FROM alerts.entry l WHERE l.escalation = e.id)
UNION ALL
SELECT escalation FROM alerts.entry GROUP BY escalation HAVING max(n) <> count(*)
ORDER BY 1
"""
_TWICE = """
SELECT rule || ' ' || unit || coalesce(' ' || period, '') FROM alerts.escalation
WHERE period IS NOT NULL OR state <> 'closed'
GROUP BY rule, unit, period, measure, category HAVING count(*) > 1 ORDER BY 1
"""
# Old messages are forgotten from the front.
_GAPS = """
SELECT e.id FROM alerts.message m JOIN alerts.escalation e ON e.id = m.escalation
WHERE m.sequence IS NOT NULL
GROUP BY e.id, e.sequence
HAVING count(*) <> max(m.sequence) - min(m.sequence) + 1
  OR max(m.sequence) <> e.sequence
ORDER BY 1
"""
_DEAD = """
SELECT topic || ' ' || key FROM platform.event WHERE dead_at IS NOT NULL ORDER BY id
"""
_STUCK = """
SELECT topic || ' ' || key FROM platform.event
WHERE dead_at IS NULL AND run_at < now() - interval '5 minutes' ORDER BY id
"""
_PAST_LEASE = """
SELECT d.id FROM alerts.delivery d JOIN alerts.subscription s ON s.id = d.subscription
JOIN platform.api_key k ON k.id = s.key
WHERE d.state = 'leased' AND d.next_attempt_at < now() - interval '1 minute'
  AND s.state = 'enabled' AND (s.paused_until IS NULL OR s.paused_until <= now())
  AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
ORDER BY d.id
"""
_UNSENT = """
SELECT d.id FROM alerts.delivery d
WHERE d.state = 'dead' AND d.acknowledged_at IS NULL ORDER BY d.id
"""
_LATE_TIMERS = """
SELECT t.escalation FROM alerts.timer t JOIN alerts.escalation e ON e.id = t.escalation
WHERE t.fired_at IS NULL AND e.state IN ('open', 'returned')
  AND t.due_at < platform.business_now() - interval '5 minutes'
ORDER BY t.due_at
"""
# What still waits to be scored may rightly differ.
_SCORED = """
SELECT DISTINCT period FROM scoring.scorecard s WHERE NOT EXISTS (
  SELECT FROM platform.event e WHERE e.topic = 'figures.changed' AND e.key = s.period)
ORDER BY period DESC
"""


async def differing(patient: Patient, code: str) -> int:
    """How many stored scorecards of a period are not as computed now; keeps nothing."""
    transaction = patient.owner.transaction()
    await transaction.start()
    try:
        await patient.owner.execute("SET LOCAL ROLE dondoc_scoring")
        return await scoring.drift(patient.owner, Period.parse(code))
    finally:
        await transaction.rollback()


async def _scorecards(patient: Patient) -> Found:
    rows = await patient.owner.fetch(_SCORED)
    # The newest cuts, and one from the middle of what is older.
    codes = [row["period"] for row in rows]
    chosen = sorted({*codes[: SAMPLE - 1], *codes[len(codes) // 2 :][:1]})
    for code in chosen:
        if count := await differing(patient, code):
            return FAIL, f"{count} stored scorecards of {code} are not as computed"
    return OK, f"as computed anew: {', '.join(chosen) or 'there are none'}"


async def _open_transactions(patient: Patient) -> Found:
    return vacuum.held_back(await vacuum.holders(patient.owner))


async def _dead_rows(patient: Patient) -> Found:
    return vacuum.piled_up(await vacuum.tables(patient.owner))


async def _engine(patient: Patient) -> Found:
    judge = Judge(patient.settings.rule_engine)
    try:
        await ready_rules(patient.owner, judge)
        health = judge.health()
        return health.state, health.text
    finally:
        await judge.stop()


CHECKS: dict[str, Check] = {
    "migrations": _migrations,
    "roles": _grants,
    "audit chain": _audit,
    "logs of matters": _none("matters without a whole log", _UNLOGGED),
    "one matter each": _none("matters twice", _TWICE),
    "messages": _none("matters with a gap in their messages", _GAPS),
    "dead events": _none("dead events", _DEAD),
    "waiting events": _none("events waiting for over five minutes", _STUCK),
    "timers": _none("timers overdue", _LATE_TIMERS),
    "leases": _none("deliveries leased past their lease", _PAST_LEASE),
    "dead deliveries": _none("dead deliveries nobody knows of", _UNSENT, bad=WARN),
    "scorecards": _scorecards,
    "open transactions": _open_transactions,
    "dead rows": _dead_rows,
    "engine": _engine,
}


async def examine(url: str, settings: Settings) -> list[tuple[str, str, str]]:
    """(check, ok | warn | fail, a word why) of every check, in their order."""
    owner = await asyncpg.connect(url)
    try:
        await speak_json(owner)
        patient = Patient(owner, url, settings)
        found = []
        for name, check in CHECKS.items():
            state, note = await check(patient)
            found.append((name, state, note))
            if name == "migrations" and state == FAIL:
                break  # nothing below can be asked of another version's tables
        return found
    finally:
        await owner.close()


_COLOURS = {OK: "green", WARN: "yellow", FAIL: "red"}


def doctor() -> None:
    """Check that what is stored holds together; exit code 1 where it does not."""
    settings = Settings()
    with database(settings) as (url, _):
        found = asyncio.run(examine(url, settings))
    table = Table("check", "", "found", box=None, pad_edge=False)
    for name, state, note in found:
        table.add_row(name, f"[{_COLOURS[state]}]{state}[/]", escape(note))
    Console(soft_wrap=True).print(table)
    raise typer.Exit(int(any(state == FAIL for _, state, _ in found)))

"""What PostgreSQL itself refuses each service, whatever its code would ask."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

pytestmark = pytest.mark.anyio

INGEST, SCORING, ALERTS = "dondoc_ingest", "dondoc_scoring", "dondoc_alerts"
EVERYONE = (INGEST, SCORING, ALERTS)
EVENT = "INSERT INTO platform.event (topic, key) VALUES ('figures.changed', '2022M05')"
KEY = "INSERT INTO platform.api_key (id, name, digest, roles, units) VALUES ('k', 'n', '', '{}', '{}')"
UNIT = "INSERT INTO ingest.unit (code, valid_from, name, name_sort, kind, aliases, codes) VALUES ('X', '2022-01-01', 'X', 'x', 'office', '{}', '[]')"
BATCH = "INSERT INTO platform.batch (id, key, received_at) VALUES ('b', 'k', now())"
MESSAGE = "INSERT INTO alerts.message (id, type, body) VALUES ('m', 'ping', '')"
CASE = "INSERT INTO ingest.enforcement_case (as_of, due_vnd, collected_vnd, decided_on, status_since, intake, version, key_case, status, claims, verified_on, versions, year, unit, case_no) VALUES (now(), 1, 0, '2021-01-01', '2021-01-01', 1, 1, false, 'enforceable', '{}', '{}', 1, 2021, 'VN', '1')"
RECORD = "INSERT INTO ingest.case_history (case_id, as_of, due_vnd, collected_vnd, decided_on, status_since, intake, version, key_case, status, claims, verified_on, applied) VALUES (1, now(), 1, 0, '2021-01-01', '2021-01-01', 1, 1, false, 'enforceable', '{}', '{}', true)"
DECISION = "INSERT INTO alerts.decision VALUES ('2022M05', 'r', 'VN', 'cases', 'all', 1, 'silent', '{}', NULL, '2022-03-08', 'both', NULL, '[]')"

ALLOWED = [
    *((role, EVENT) for role in EVERYONE),
    *((role, "SELECT id, attempts FROM platform.event FOR UPDATE") for role in EVERYONE),
    *((role, "UPDATE platform.event SET attempts = attempts + 1") for role in EVERYONE),
    *((role, "DELETE FROM platform.event") for role in EVERYONE),
    *((role, "SELECT digest FROM platform.api_key") for role in EVERYONE),
    *((role, KEY) for role in EVERYONE),
    *((role, "UPDATE platform.api_key SET revoked_at = now()") for role in EVERYONE),
    *((role, "SELECT platform.business_now(), platform.business_date()") for role in EVERYONE),
    *((role, "INSERT INTO platform.clock VALUES (true, now(), now())") for role in EVERYONE),
    *((role, "SELECT * FROM platform.unit") for role in EVERYONE),
    *((role, "SELECT * FROM platform.batch") for role in EVERYONE),
    *((role, "SELECT * FROM ingest.current_figure") for role in EVERYONE),
    *((role, "SELECT * FROM ingest.published_report") for role in EVERYONE),
    *((role, "SELECT * FROM platform.audit, platform.audit_block") for role in EVERYONE),
    *((role, "SELECT * FROM platform.holding_back()") for role in EVERYONE),
    (ALERTS, "SELECT platform.next_audit_block()"),
    *((role, "SELECT platform.settle('{}', '{}')") for role in (SCORING, ALERTS)),
    (INGEST, BATCH),
    (INGEST, UNIT),
    (INGEST, "UPDATE ingest.unit SET valid_to = '2030-01-01'"),
    (INGEST, "INSERT INTO ingest.figure (period, unit, measure, category, revision, received_at) VALUES ('2022M05', 'VN', 'cases', 'all', 1, now())"),
    (INGEST, "INSERT INTO ingest.report (unit, period, revision, batch, illustrative, author, received_at) VALUES ('VN', '2022M05', 1, 'b', false, 'k', now())"),
    (INGEST, "INSERT INTO ingest.closing (period, under, closed, batch, author, at) VALUES ('2022M05', 'VN', true, 'b', 'k', now())"),
    (INGEST, "SELECT * FROM ingest.decreed_day"),
    (INGEST, "SELECT * FROM ingest.known_unit"),
    *((role, "SELECT * FROM platform.calendar_day") for role in EVERYONE),
    *((role, "DELETE FROM platform.preview") for role in EVERYONE),
    (ALERTS, "SELECT * FROM ingest.published_closing"),
    (INGEST, "INSERT INTO ingest.mapping (name, version, body, units, author, recorded_at) VALUES ('m', 1, '{}', '{VN}', 'k', now())"),
    (INGEST, "UPDATE ingest.category SET partition = NULL"),
    (INGEST, CASE),
    (INGEST, RECORD),
    (INGEST, "INSERT INTO ingest.case_intake (batch, received_at) VALUES ('b', now())"),
    (INGEST, "UPDATE ingest.enforcement_case SET status = 'completed', versions = 2"),
    (INGEST, "CREATE TEMP TABLE arriving (line int) ON COMMIT DROP"),
    (SCORING, "UPDATE platform.batch SET scored_at = now(), evaluated_at = now()"),
    (SCORING, "SELECT * FROM scoring.rated_figure"),
    (SCORING, "DELETE FROM scoring.scorecard"),
    (SCORING, "DELETE FROM scoring.history"),
    (SCORING, "INSERT INTO scoring.history (period, unit, measure, below) VALUES ('2022M05', 'VN', 'cases', 0)"),
    (SCORING, "INSERT INTO scoring.target (unit, year, measure, category, rate, operator, basis, document, author, recorded_at) VALUES ('VN', 2022, 'cases', 'all', 80, 'at_least', '{}', '{}', 'k', now())"),
    (ALERTS, "UPDATE platform.batch SET opened = 1, closed = 1, evaluated_at = now()"),
    (ALERTS, "SELECT * FROM scoring.published_scorecard"),
    (ALERTS, DECISION),
    (ALERTS, "DELETE FROM alerts.decision"),
    (ALERTS, "DELETE FROM alerts.shadow_decision"),
    (ALERTS, "UPDATE alerts.rule SET state = 'retired', activated_at = now()"),
    (ALERTS, "SELECT * FROM alerts.rule_event, alerts.backtest, alerts.backtest_period"),
    (ALERTS, MESSAGE),
    (ALERTS, "UPDATE alerts.delivery SET state = 'leased'"),
    (ALERTS, "UPDATE alerts.escalation SET state = 'closed'"),
    (ALERTS, "SELECT id FROM alerts.subscription FOR NO KEY UPDATE SKIP LOCKED"),
    (ALERTS, "SELECT alerts.keep_months(), alerts.forget(10)"),
    (ALERTS, "INSERT INTO alerts.attempt (delivery, n) VALUES (1, 1)"),
    (ALERTS, "UPDATE alerts.retired_secret SET until = now()"),
    (ALERTS, "UPDATE alerts.recovery SET finished_at = now()"),
]  # fmt: skip

REFUSED = [
    *((role, "UPDATE platform.api_key SET digest = ''") for role in EVERYONE),
    *((role, "UPDATE platform.api_key SET roles = '{admin}'") for role in EVERYONE),
    *((role, "DELETE FROM platform.api_key") for role in EVERYONE),
    *((role, "DELETE FROM platform.batch") for role in EVERYONE),
    *((role, "DELETE FROM platform.clock") for role in EVERYONE),
    *((role, "TRUNCATE platform.event") for role in EVERYONE),
    *((role, f"INSERT INTO platform.{name}") for role in EVERYONE for name in ("audit (at, role, actor, action, kind, object, detail) VALUES (now(), '', '', '', '', '', '{}')", "audit_block (n, count, digest, hash) VALUES (1, 0, '', '')")),
    *((role, f"{deed}") for role in EVERYONE for deed in ("UPDATE platform.audit SET actor = ''", "UPDATE platform.audit_block SET hash = ''", "DELETE FROM platform.audit", "DELETE FROM platform.audit_block", "TRUNCATE platform.audit")),
    *((role, "SELECT platform.note('x', 'x', 'x', '{}')") for role in EVERYONE),
    *((role, "SELECT platform.next_audit_block()") for role in (INGEST, SCORING)),
    (INGEST, "SELECT platform.settle('{}', '{}')"),
    ("pg_monitor", "SELECT * FROM platform.holding_back()"),
    *(
        (role, f"CREATE TABLE {schema}.mine (n int)")
        for role in EVERYONE
        for schema in ("platform", "ingest", "scoring", "alerts", "public")
    ),
    *((role, "CREATE SCHEMA mine") for role in EVERYONE),
    *((role, "DROP VIEW platform.unit") for role in EVERYONE),
    *((role, "UPDATE ingest.figure SET done = 1") for role in EVERYONE),
    *((role, "DELETE FROM ingest.figure") for role in EVERYONE),
    *((role, "UPDATE ingest.report SET reason = ''") for role in EVERYONE),
    *((role, "DELETE FROM ingest.report") for role in EVERYONE),
    *((role, "DELETE FROM ingest.unit") for role in EVERYONE),
    *((role, "UPDATE ingest.mapping SET body = '{}'") for role in EVERYONE),
    *((role, "DELETE FROM ingest.mapping") for role in EVERYONE),
    *((role, "DELETE FROM ingest.category") for role in EVERYONE),
    *((role, f"DELETE FROM ingest.{name}") for role in EVERYONE for name in ("enforcement_case", "case_history", "case_intake")),
    *((role, "UPDATE ingest.case_history SET applied = false") for role in EVERYONE),
    *((role, "UPDATE ingest.enforcement_case SET unit = 'X'") for role in EVERYONE),
    *((role, f"SELECT * FROM ingest.{name}") for role in (SCORING, ALERTS) for name in ("enforcement_case", "case_history")),
    *((role, "UPDATE scoring.target SET rate = 0") for role in EVERYONE),
    *((role, "DELETE FROM scoring.target") for role in EVERYONE),
    *((role, f"UPDATE alerts.{name} SET escalation = ''") for role in EVERYONE for name in ("entry", "message")),
    *((role, f"DELETE FROM alerts.{name}") for role in EVERYONE for name in ("entry", "message", "explanation", "escalation", "delivery", "attempt", "rule", "subscription", "retired_secret", "recovery")),
    *((role, deed) for role in EVERYONE for deed in ("UPDATE alerts.rule_event SET actor = ''", "DELETE FROM alerts.rule_event", "UPDATE alerts.backtest_period SET found = '{}'", "DELETE FROM alerts.backtest", "UPDATE alerts.rule SET source = ''")),
    *((role, "SELECT alerts.keep_month('2022-01-01')") for role in EVERYONE),
    *((role, "SELECT alerts.forget(10)") for role in (INGEST, SCORING)),
    *((role, f"{deed} ingest.{name}{change}") for role in EVERYONE for name in ("closing", "unit_past", "obligation_past") for deed, change in (("UPDATE", " SET author = ''" if name == "closing" else " SET name = ''"), ("DELETE FROM", ""))),
    *((role, "DELETE FROM ingest.obligation") for role in EVERYONE),
    *((role, "DELETE FROM ingest.calendar_day") for role in EVERYONE),
    *((role, "UPDATE ingest.calendar_day SET works = true") for role in EVERYONE),
    *((role, "UPDATE platform.preview SET batch = ''") for role in EVERYONE),
    *((role, f"{deed} ingest.erasure") for role in EVERYONE for deed in ("SELECT * FROM", "DELETE FROM")),
    (SCORING, "SELECT * FROM ingest.known_unit"),
    (INGEST, "SELECT * FROM scoring.scorecard"),
    *((role, "SELECT * FROM scoring.history") for role in (INGEST, ALERTS)),
    (INGEST, "SELECT * FROM scoring.published_scorecard"),
    (INGEST, "SELECT * FROM alerts.escalation"),
    (INGEST, "SELECT secret FROM alerts.subscription"),
    (INGEST, "UPDATE platform.batch SET evaluated_at = now()"),
    (SCORING, BATCH),
    (SCORING, UNIT),
    (SCORING, "UPDATE platform.batch SET key = ''"),
    (SCORING, "SELECT * FROM ingest.figure"),
    (SCORING, "SELECT * FROM ingest.unit"),
    (SCORING, "SELECT * FROM alerts.escalation"),
    (SCORING, MESSAGE),
    (ALERTS, BATCH),
    (ALERTS, UNIT),
    (ALERTS, "UPDATE platform.batch SET received_at = now()"),
    (ALERTS, "SELECT * FROM ingest.figure"),
    (ALERTS, "SELECT author FROM ingest.report"),
    (ALERTS, "SELECT * FROM scoring.scorecard"),
    (ALERTS, "SELECT * FROM scoring.target"),
    (ALERTS, "UPDATE scoring.scorecard SET rate = 0"),
]  # fmt: skip


@pytest.fixture(scope="module")
async def owner(template: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """The template itself: whatever is tried in it is rolled back."""
    connection = await asyncpg.connect(f"{template.rsplit('/', 1)[0]}/template_dondoc")
    yield connection
    await connection.close()


async def tried(
    owner: asyncpg.Connection[asyncpg.Record], role: str, statement: str
) -> str:
    """`done`, or `refused` by the rights of the role; nothing stays."""
    transaction = owner.transaction()
    await transaction.start()
    try:
        await owner.execute(f"SET LOCAL ROLE {role}")
        await owner.execute(statement)
    except asyncpg.InsufficientPrivilegeError:
        return "refused"
    finally:
        await transaction.rollback()
    return "done"


def named(case: tuple[str, str]) -> str:
    return f"{case[0].removeprefix('dondoc_')}: {case[1][:60]}"


@pytest.mark.parametrize("case", ALLOWED, ids=named)
async def test_a_service_can_do_its_work(
    owner: asyncpg.Connection[asyncpg.Record], case: tuple[str, str]
) -> None:
    assert await tried(owner, *case) == "done"


@pytest.mark.parametrize("case", REFUSED, ids=named)
async def test_a_service_cannot_do_more(
    owner: asyncpg.Connection[asyncpg.Record], case: tuple[str, str]
) -> None:
    assert await tried(owner, *case) == "refused"


async def test_no_service_may_log_in_or_stands_above_the_others(
    owner: asyncpg.Connection[asyncpg.Record],
) -> None:
    rows = await owner.fetch(
        "SELECT rolcanlogin OR rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls"
        " AS strong FROM pg_roles WHERE rolname = ANY($1)",
        [*EVERYONE, f"{INGEST}_reader", f"{ALERTS}_reader"],
    )

    assert [row["strong"] for row in rows] == [False] * 5

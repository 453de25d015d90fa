"""A million cases (made up) by every shipped rule of cases, against hand-written SQL.

Both write their results: we the matter of each unit with all that goes with it, the
limit a row for each rule and case into a logged table with a primary key.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import asyncpg

from bench.ingest_reports import tree
from bench.measure import Result, at_most_times, seconds
from bench.national import lay_tree
from bench.stage import database
from libs.common.database import speak_json
from migrations import migrate
from services.alerts.cases.sweeping import sweep
from services.alerts.domain.watching import Watch
from services.alerts.evaluation import Judge
from services.alerts.rulebook import shipped_rules
from services.alerts.rulebooks.files import publish_shipped

CASES, RUNS = 1_000_000, 3
NOW = datetime(2022, 3, 8, 8, tzinfo=UTC)
TODAY = date(2022, 3, 8)
_COLUMNS = (
    *("as_of", "due_vnd", "collected_vnd", "held_vnd", "decided_on", "status_since"),
    *("published_on", "auctioned_on", "handed_over_on", "intake", "version"),
    *("key_case", "status", "officer", "claims", "verified_on", "reason_code"),
    *("versions", "year", "unit", "case_no"),
)


async def run() -> list[Result]:
    """Medians of first sweeps."""
    with database() as url:
        await migrate(url)
        connection = await asyncpg.connect(url)
        judge = Judge("durable")
        try:
            await lay_tree(connection)
            await lay_cases(connection)
            await publish_shipped(connection, shipped_rules(), NOW)
            took, limit = [], []
            for _ in range(RUNS):
                took.append(await _ours(connection, judge))
                limit.append(await _bare(connection))
        finally:
            await judge.stop()
            await connection.close()
    return [at_most_times("sweep_cases", took, limit, 2.0)]


async def lay_cases(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """Straight into the table of ingest by COPY."""
    await speak_json(connection)
    await connection.copy_records_to_table(
        "enforcement_case", schema_name="ingest", columns=_COLUMNS, records=_cases()
    )
    await connection.execute("VACUUM ANALYZE ingest.enforcement_case")


def _cases() -> Iterator[tuple[object, ...]]:
    units = [unit["code"] for unit in tree()["units"]]
    dice = random.Random(679)
    statuses = ["enforceable"] * 6 + ["not_enforceable"] * 3 + ["completed"] * 8
    statuses += ["ledger", "postponed", "terminated"]
    for number in range(CASES):
        decided = TODAY - timedelta(days=dice.randrange(1800))
        since = min(TODAY, decided + timedelta(days=dice.randrange(400)))
        large = dice.random() < 0.01
        yield (
            NOW,
            30_000_000_000 if large else dice.randrange(900_000_000),
            0,
            dice.randrange(50_000_000) if dice.random() < 0.02 else None,
            decided,
            since,
            since if dice.random() < 0.5 else None,
            since if dice.random() < 0.01 else None,
            None,
            1,
            1,
            dice.random() < 0.005,
            dice.choice(statuses),
            None,
            ["credit"] if dice.random() < 0.2 else ["civil"],
            [since] if dice.random() < 0.7 else [],
            "tai_san" if dice.random() < 0.4 else None,
            1,
            decided.year,
            units[number % len(units)],
            f"{number}/QĐ",
        )


async def _ours(connection: asyncpg.Connection[asyncpg.Record], judge: Judge) -> float:
    await connection.execute(
        "TRUNCATE alerts.timer, alerts.entry, alerts.explanation,"
        " alerts.escalation, alerts.message CASCADE"
    )

    async def whole() -> None:
        async with connection.transaction():
            await sweep(connection, judge, now=NOW)

    return await seconds(whole)


# What someone would write who knows the rules by heart; those that are not in force on
# the day, or that ask for the history of a few, have nothing to be written.
_BY_HAND = {
    "auctioned-not-handed-over": (
        "SELECT id, CASE WHEN DATE '2022-03-08' - auctioned_on > 180 THEN 3 ELSE 2 END"
        " FROM ingest.enforcement_case WHERE status NOT IN ('completed', 'terminated')"
        " AND handed_over_on IS NULL AND DATE '2022-03-08' - auctioned_on > 30"
    ),
    "enforceable-over-one-year": (
        "SELECT id, CASE WHEN reason_code IS NULL THEN 2 ELSE 1 END"
        " FROM ingest.enforcement_case WHERE status = 'enforceable'"
        " AND decided_on + interval '1 year' < '2022-03-08'"
    ),
    "key-case-without-plan": (
        "SELECT id, 1 FROM ingest.enforcement_case"
        " WHERE status = 'enforceable' AND key_case"
    ),
    "ledger-too-early-decree-62": (
        "SELECT id, 1 FROM ingest.enforcement_case WHERE status = 'ledger'"
        " AND status_since < '2026-07-01' AND cardinality(verified_on) < 2"
    ),
    "money-held": (
        "SELECT c.id, CASE WHEN c.held_vnd >= 1000000000 THEN 2 ELSE 1 END"
        " FROM ingest.enforcement_case c WHERE c.held_vnd > 0 AND (SELECT min(h.as_of)"
        " FROM ingest.case_history h WHERE h.case_id = c.id) < '2022-02-06'"
    ),
    "not-published-in-time": (
        "SELECT id, CASE WHEN DATE '2022-03-08' - status_since > 60 THEN 2 ELSE 1 END"
        " FROM ingest.enforcement_case WHERE status = 'not_enforceable'"
        " AND published_on IS NULL AND DATE '2022-03-08' - status_since > 7"
    ),
    "still-published": (
        "SELECT id, CASE WHEN status = 'enforceable' THEN 0 ELSE 1 END"
        " FROM ingest.enforcement_case WHERE published_on IS NOT NULL"
        " AND status IN ('enforceable', 'completed', 'terminated')"
        " AND DATE '2022-03-08' - status_since > 7"
    ),
    "verification-overdue": (
        "SELECT id, CASE WHEN last + interval '1 year' < '2022-03-08' THEN 2 ELSE 1 END"
        " FROM (SELECT id, (SELECT max(day) FROM unnest(verified_on) day) AS last,"
        "  status_since FROM ingest.enforcement_case"
        "  WHERE status = 'not_enforceable') c"
        " WHERE coalesce(last, status_since) + interval '6 months' < '2022-03-08'"
    ),
}


async def _bare(connection: asyncpg.Connection[asyncpg.Record]) -> float:
    rules = [rule.id for rule, _ in shipped_rules() if rule.watches is Watch.CASE]
    await connection.execute("DROP TABLE IF EXISTS bench_limit")
    await connection.execute(
        "CREATE TABLE bench_limit (rule text, case_id bigint, severity smallint,"
        " PRIMARY KEY (rule, case_id))"
    )

    async def by_hand() -> None:
        async with connection.transaction():
            for rule in sorted(_BY_HAND.keys() & set(rules)):
                by = _BY_HAND[rule]
                await connection.execute(
                    f"INSERT INTO bench_limit SELECT '{rule}', * FROM ({by}) r"
                )

    return await seconds(by_hand)

"""The three readings on the same rules and rows, until all three checked a million.

A check is one rule on one row: what native says, what SQL says and, where the rule and
the row lie within what durable-rules answers rightly, what that says. The seed of a
difference is in its message.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

from bench.corpus import NAMES, a_row, a_rule
from bench.measure import Result
from bench.stage import database
from services.alerts.domain.rules import Outcome, Rule
from services.alerts.domain.vocabulary import Facts, Kind
from services.alerts.domain.watching import EVERY_WORD
from services.alerts.engine import Decision, Engine
from services.alerts.engine.sql import Sql

CHECKS: Final = 1_000_000
RULES, ROWS = 40, 1000

_COLUMNS: Final = {name: f'f."{name}"' for name in (*NAMES, "period.end")}
_TYPES: Final = {Kind.TEXT: "text", Kind.FLAG: "boolean", Kind.LIST: "text[]"}
_STANDS: Final = (None, Outcome.SILENT, Outcome.HELD, Outcome.FIRED)


@dataclass(slots=True)
class Agreed:
    """How many checks there were, how many of them with durable, how many differed."""

    checks: int = 0
    by_durable: int = 0
    differed: int = 0


async def run() -> list[Result]:
    """A million checks, each batch by a seed of its own."""
    whole = Agreed()
    with database() as url:
        connection = await asyncpg.connect(url)
        try:
            while whole.by_durable < CHECKS:
                one = await agreed(connection, secrets.randbelow(2**32))
                whole.checks += one.checks
                whole.by_durable += one.by_durable
                whole.differed += one.differed
        finally:
            await connection.close()
    ok = whole.differed == 0
    return [
        Result("agreement", whole.checks, "checks by two readings", None, None, "", ok),
        Result("agreement", whole.by_durable, "by three", CHECKS, None, "", ok),
        Result("agreement", whole.differed, "differ", 0, None, "0", ok),
    ]


async def agreed(
    connection: asyncpg.Connection[asyncpg.Record],
    seed: int,
    *,
    rules: int = RULES,
    rows: int = ROWS,
) -> Agreed:
    """One batch of rules and rows under all three readings."""
    chance = random.Random(seed)
    made = [a_rule(chance, f"r{n}") for n in range(rules)]
    facts = [a_row(chance) for _ in range(rows)]
    engine = Engine(names=EVERY_WORD, deadline=60)
    try:
        await engine.start(made)
        decided = await engine.decide(facts, traced=False)
    finally:
        await engine.stop()
    said = await _by_sql(connection, made, facts)
    found = Agreed(differed=engine.counters.disagreements)
    for decisions, answers in zip(decided, said, strict=True):
        _compare(made, decisions, answers, found, seed)
    return found


def _compare(
    rules: Sequence[Rule],
    decisions: Sequence[Decision],
    answers: Sequence[int],
    found: Agreed,
    seed: int,
) -> None:
    by_rule = {one.rule.id: one for one in decisions}
    for rule, answer in zip(rules, answers, strict=True):
        one = by_rule.get(rule.id)
        outcome = one.verdict.outcome if one else None
        severity = one.verdict.severity if one else None
        found.checks += 1
        found.by_durable += one is not None and one.decided_by == "both"
        stands, order = _STANDS[answer // 10], answer % 10
        wrong = outcome is not stands
        if outcome is Outcome.FIRED and severity is not None:
            wrong = wrong or severity.order != order
        if wrong:
            found.differed += 1
            print(f"seed {seed}: {rule.id}: native {outcome} {severity}, SQL {answer}")


async def _by_sql(
    connection: asyncpg.Connection[asyncpg.Record],
    rules: Sequence[Rule],
    facts: Sequence[Facts],
) -> list[list[int]]:
    """For each row and rule ten times its outcome, and the order of its severity."""
    written = Sql(_COLUMNS)
    unknown = {"ignore": 10, "hold": 20, "raise": 30}
    wanted = []
    for rule in rules:
        scope, fires = written.scope(rule), written.fires(rule)
        wanted.append(
            f"CASE WHEN {scope} IS FALSE THEN 0 WHEN {fires} THEN 30"
            f" WHEN {fires} IS FALSE THEN 10 ELSE {unknown[rule.unknown]} END"
            f" + {written.severity(rule.severity)}"
        )
    names = list(_COLUMNS)
    columns = ", ".join(
        f'"{name}" {_TYPES.get(EVERY_WORD[name].kind, "bigint")}' for name in names
    )
    await connection.execute("DROP TABLE IF EXISTS facts")
    await connection.execute(f"CREATE TEMP TABLE facts (n int, {columns})")
    await connection.copy_records_to_table(
        "facts",
        records=[
            (n, *(_stored(row.get(name)) for name in names))
            for n, row in enumerate(facts)
        ],
    )
    found = await connection.fetch(
        f"SELECT {', '.join(wanted)} FROM facts f ORDER BY n", *written.parameters
    )
    return [list(row) for row in found]


def _stored(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value

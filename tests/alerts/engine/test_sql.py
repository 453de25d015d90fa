"""The SQL reading answers as the exact one does, on the same rows."""

from __future__ import annotations

import random
from datetime import date

import asyncpg
import pytest

from services.alerts.domain.checking import parse
from services.alerts.domain.vocabulary import VOCABULARY, Bilingual, Facts, Kind, Name
from services.alerts.engine.native import CompiledRule, lacking, reading
from services.alerts.engine.sql import Sql
from services.alerts.rulebook import load_text, shipped_rules
from tests.alerts.engine.test_native import (
    COUNTS,
    PERCENT,
    POINTS,
    a_condition,
    some_facts,
)

pytestmark = pytest.mark.anyio

TYPES = {Kind.TEXT: "text", Kind.FLAG: "boolean", Kind.LIST: "text[]"}
DATED = {
    "claims": Name("claims", Kind.LIST, Bilingual("", "")),
    "decided_on": Name("decided_on", Kind.DATE, Bilingual("", "")),
}
NAMES = {**VOCABULARY, **DATED}
USED = ("period.end", "measure", "category", "at", "met", "illustrative", *PERCENT, *POINTS, *COUNTS, *DATED)  # fmt: skip
COLUMNS = {name: f'f."{name}"' for name in USED}


async def asked(
    connection: asyncpg.Connection[asyncpg.Record],
    conditions: list[str],
    rows: list[Facts],
) -> list[list[bool | None]]:
    """What each condition is of each row, by SQL."""
    written = Sql(COLUMNS)
    wanted = [
        written.condition(parse(text, names=NAMES).condition) for text in conditions
    ]
    await connection.execute("DROP TABLE IF EXISTS facts")
    columns = ", ".join(f'"{n}" {TYPES.get(NAMES[n].kind, "bigint")}' for n in USED)
    await connection.execute(f"CREATE TEMP TABLE facts (n int, {columns})")
    await connection.copy_records_to_table(
        "facts",
        records=[(n, *(row.get(name) for name in USED)) for n, row in enumerate(rows)],
    )
    found = await connection.fetch(
        f"SELECT {', '.join(wanted)} FROM facts f ORDER BY n", *written.parameters
    )
    return [list(row) for row in found]


@pytest.fixture
async def connection(cluster: str) -> asyncpg.Connection[asyncpg.Record]:
    return await asyncpg.connect(cluster)


async def test_agrees_with_native_on_a_random_corpus(
    connection: asyncpg.Connection[asyncpg.Record],
) -> None:
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    checked = 0
    for _ in range(12):
        conditions = [a_condition(chance, depth=3) for _ in range(25)]
        rows = [some_facts(chance) for _ in range(60)]
        found = await asked(connection, conditions, rows)
        native = [reading(parse(text).condition) for text in conditions]
        for row, answers in zip(rows, found, strict=True):
            for text, judge, answer in zip(conditions, native, answers, strict=True):
                assert judge(row) is answer, (seed, text, row)
                checked += 1
    assert checked == 12 * 25 * 60
    await connection.close()


async def test_names_what_is_missing_as_native_does(
    connection: asyncpg.Connection[asyncpg.Record],
) -> None:
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    lacked = 0
    for _ in range(100):
        text = a_condition(chance, depth=3)
        facts = some_facts(chance)
        condition = parse(text).condition
        written = Sql({name: _literal(facts.get(name)) for name in VOCABULARY})
        names, places = written.missing(condition)
        query = f"SELECT {written.condition(condition)}, {places}"

        row = await connection.fetchrow(query, *written.parameters)

        assert row is not None
        if row[0] is None:
            found = {names[place] for place in row[1]}
            assert found == set(lacking(condition)(facts)), (seed, text, facts)
            lacked += len(found)
    assert lacked > 10
    await connection.close()


BORN = [
    date(2020, 2, 29),
    date(2021, 2, 28),
    date(2021, 3, 1),
    date(2021, 12, 31),
    None,
]


@pytest.mark.parametrize(
    "text",
    [
        "age(decided_on, at) > 1 year",
        "age(decided_on, at) >= 1 year",
        "age(decided_on, at) > 14 month",
        "not age(decided_on, at) > 400 day",
        'claims has "credit"',
        'not claims has "credit"',
        'measure in ["cases"]',
        'not measure in ["cases"]',
        'decided_on < "2021-03-01"',
    ],
)
async def test_agrees_on_dates_and_lists(
    connection: asyncpg.Connection[asyncpg.Record], text: str
) -> None:
    rows: list[Facts] = [
        {
            "decided_on": born and born.toordinal(),
            "at": at.toordinal(),
            "claims": claims,
            "measure": measure,
        }
        for born in BORN
        for at in (date(2021, 2, 28), date(2022, 2, 28), date(2022, 3, 1))
        for claims in (("credit",), (), ("a", "b"), None)
        for measure in ("cases", None)
    ]
    judge = reading(parse(text, names=NAMES).condition)

    found = await asked(connection, [text], rows)

    assert [answers[0] for answers in found] == [judge(row) for row in rows]
    await connection.close()


@pytest.mark.parametrize("rule_id", [rule.id for rule, _ in shipped_rules()])
async def test_every_example_of_every_shipped_rule(
    connection: asyncpg.Connection[asyncpg.Record], rule_id: str
) -> None:
    """True where it fires, unknown where it is held, false or out of scope elsewhere."""
    [source] = [text for rule, text in shipped_rules() if rule.id == rule_id]
    rule = load_text(source)
    compiled = CompiledRule(rule)
    for example in rule.examples:
        facts = dict(example.facts)
        literals = {name: _literal(value) for name, value in facts.items()}
        columns = {name: literals.get(name, "NULL") for name in _names(rule.watches)}
        written = Sql(columns)
        query = f"SELECT {written.fires(rule)} AS fires, {written.severity(rule.severity)} AS severity"

        row = await connection.fetchrow(query, *written.parameters)

        assert row is not None
        whole = reading(rule.condition)(facts) if compiled.in_force(facts) else False
        assert row["fires"] is whole, example.given
        verdict = compiled.judge(facts)
        if verdict is not None and verdict.severity is not None:
            assert row["severity"] == verdict.severity.order
    await connection.close()


def _literal(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return f"ARRAY[{', '.join(map(_literal, value))}]::text[]"
    return f"'{value}'" if isinstance(value, str) else f"{value}::bigint"


def _names(watch: str) -> list[str]:
    from services.alerts.domain.watching import WORDS, Watch

    return [*WORDS[Watch(watch)], "period.end"]

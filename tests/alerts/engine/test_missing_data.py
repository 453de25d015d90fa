"""What a missing figure means, operator by operator, under each policy and each reading.

After the tables of DHIS2's validation tests. T is true, F false and ? unknown; a rule
whose condition is unknown is held, raised or ignored, as it says.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from services.alerts import rulebook
from services.alerts.domain.checking import parse
from services.alerts.domain.rules import Outcome, Rule, Unknown
from services.alerts.domain.vocabulary import Facts, Kind
from services.alerts.domain.watching import WORDS, Watch
from services.alerts.engine import Engine
from services.alerts.engine.native import CompiledRule
from services.alerts.engine.sql import Sql
from services.alerts.rulebook import load_text

pytestmark = pytest.mark.anyio

SHIPPED = Path(rulebook.__file__).parent / "rules"
SCORECARD = load_text((SHIPPED / "below-last-year.yaml").read_text("utf-8"))
CASE = load_text((SHIPPED / "money-held.yaml").read_text("utf-8"))
DAY = 738_000

# Of two figures: both known and 5 < 7; 7 and 5; 6 and 6; the left one missing; the right
# one; both.
PAIRS: list[tuple[int | None, int | None]] = [
    (5, 7), (7, 5), (6, 6), (None, 5), (5, None), (None, None),
]  # fmt: skip
OF_PAIRS = {
    "done < enforceable": "TFF???",
    "done <= enforceable": "TFT???",
    "done > enforceable": "FTF???",
    "done >= enforceable": "FTT???",
    "done == enforceable": "FFT???",
    "done != enforceable": "TTF???",
    "not done < enforceable": "FTT???",
    "done + enforceable > 11": "TTT???",
    "done - enforceable > 0": "FTF???",
    "2 * done > enforceable": "TTT???",
    # What is the same on both sides is unknown as well.
    "done - done == 0 * enforceable": "TTT???",
    "done is known": "TTTFTF",
    "done is unknown": "FFFTFT",
    "not done is known": "FFFTFT",
    # A false part makes `and` false, a true one makes `or` true, whatever is missing.
    "done < 6 and enforceable > 6": "TFFF??",
    "done < 6 and enforceable > 5": "TFFF??",
    "done > 6 and enforceable > 6": "FFFFF?",
    "done < 6 or enforceable > 6": "TFF?T?",
    "done > 6 or enforceable > 4": "TTTT??",
    "not (done < 6 and enforceable > 5)": "FTTT??",
    "not (done < 6 or enforceable > 6)": "FTT?F?",
    "done is unknown or done < enforceable": "TFFT?T",
    "done is known and done < enforceable": "TFFF?F",
}
FLAGS: list[bool | None] = [True, False, None]
OF_FLAGS = {
    "met": "TF?",
    "not met": "FT?",
    "met == true": "TF?",
    "met != true": "FT?",
    "met is known": "TTF",
}
TEXTS: list[str | None] = ["cases", "money", None]
OF_TEXTS = {
    'measure == "cases"': "TF?",
    'measure != "cases"': "FT?",
    'measure in ["cases", "guidance"]': "TF?",
    'not measure in ["cases", "guidance"]': "FT?",
    "measure is unknown": "FFT",
}
LISTS: list[tuple[str, ...] | None] = [("credit",), (), ("other",), None]
OF_LISTS = {
    'case.claims has "credit"': "TFF?",
    'not case.claims has "credit"': "FTT?",
    "case.claims is known": "TTTF",
}
# Days: a year and a day ago, a year ago, never.
BORN: list[int | None] = [DAY - 366, DAY - 365, None]
OF_DAYS = {
    "age(case.decided_on, at) > 1 year": "TF?",
    "age(case.decided_on, at) >= 1 year": "TT?",
    "age(case.decided_on, at) < 1 year": "FF?",
    "at - case.decided_on > 365 days": "TF?",
    'case.decided_on < "2000-01-01"': "FF?",
}
TYPES = {Kind.LIST: "text[]", Kind.FLAG: "boolean", Kind.TEXT: "text"}
READ = {"T": True, "F": False, "?": None}
FALLS = {
    Unknown.HOLD: {True: Outcome.FIRED, False: Outcome.SILENT, None: Outcome.HELD},
    Unknown.RAISE: {True: Outcome.FIRED, False: Outcome.SILENT, None: Outcome.FIRED},
    Unknown.IGNORE: {True: Outcome.FIRED, False: Outcome.SILENT, None: Outcome.SILENT},
}


def scorecard(**known: object) -> Facts:
    facts: Facts = {"period.end": DAY, "at": DAY, **known}  # type: ignore[dict-item]
    return facts


TABLES: list[tuple[Rule, dict[str, str], list[Facts]]] = [
    (SCORECARD, OF_PAIRS, [scorecard(done=a, enforceable=b) for a, b in PAIRS]),
    (SCORECARD, OF_FLAGS, [scorecard(met=flag) for flag in FLAGS]),
    (SCORECARD, OF_TEXTS, [scorecard(measure=text) for text in TEXTS]),
    (CASE, OF_LISTS, [scorecard(**{"case.claims": each}) for each in LISTS]),
    (CASE, OF_DAYS, [scorecard(**{"case.decided_on": each}) for each in BORN]),
]
CELLS = [
    pytest.param(base, condition, truths, rows, id=condition)
    for base, table, rows in TABLES
    for condition, truths in table.items()
]


def rule_of(base: Rule, condition: str, unknown: Unknown) -> Rule:
    """A rule of nothing but this condition."""
    when = parse(condition, names=WORDS[base.watches])
    last = base.severity[-1:]
    return replace(
        base, where=None, when=when, unknown=unknown, severity=last, examples=()
    )


@pytest.mark.parametrize("unknown", list(Unknown))
@pytest.mark.parametrize(("base", "condition", "truths", "rows"), CELLS)
def test_native(
    base: Rule, condition: str, truths: str, rows: list[Facts], unknown: Unknown
) -> None:
    compiled = CompiledRule(rule_of(base, condition, unknown))

    verdicts = [compiled.judge(row) for row in rows]

    expected = [FALLS[unknown][READ[letter]] for letter in truths]
    assert [verdict and verdict.outcome for verdict in verdicts] == expected
    missing = [bool(verdict and verdict.missing) for verdict in verdicts]
    assert missing == [letter == "?" for letter in truths]


@pytest.mark.parametrize("watch", [Watch.SCORECARD, Watch.CASE])
async def test_durable(watch: Watch) -> None:
    engine = Engine("durable", names=WORDS[watch])
    for base, table, rows in TABLES:
        if base.watches is watch:
            rules = [
                replace(rule_of(base, condition, unknown), id=f"{n}-{unknown}")
                for n, condition in enumerate(table)
                for unknown in Unknown
            ]
            await engine.start(rules)
            decided = await engine.decide(rows)
            expected = {
                f"{n}-{unknown}": [FALLS[unknown][READ[letter]] for letter in truths]
                for n, truths in enumerate(table.values())
                for unknown in Unknown
            }
            for place, decisions in enumerate(decided):
                for one in decisions:
                    wanted = expected[one.rule.id][place]
                    assert one.verdict.outcome is wanted, (one.rule.when.text, place)
                    assert one.decided_by == "both", (one.rule.when.text, one.why)
    await engine.stop()


async def test_sql(cluster: str) -> None:
    connection = await asyncpg.connect(cluster)
    for base, table, rows in TABLES:
        for condition, truths in table.items():
            rule = rule_of(base, condition, Unknown.HOLD)
            for row, letter in zip(rows, truths, strict=True):
                columns = {
                    name: f"NULL::{TYPES.get(word.kind, 'bigint')}"
                    for name, word in WORDS[base.watches].items()
                }
                known = {k: _literal(v) for k, v in row.items() if v is not None}
                written = Sql(columns | known)
                query = f"SELECT {written.fires(rule)}"
                found = await connection.fetchval(query, *written.parameters)
                assert found is READ[letter], (condition, row)
    await connection.close()


def _literal(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return f"ARRAY[{', '.join(map(_literal, value))}]::text[]"
    return f"'{value}'" if isinstance(value, str) else f"{value}::bigint"

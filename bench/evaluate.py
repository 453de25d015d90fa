"""21 000 facts under 30 rules: durable in its worker, native beside it, compared.

The limit is the engine's raw calls on the same facts, already serialised, in a process
of their own: nothing but `assert_fact`, the actions it starts, and `retract_fact`.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections.abc import Sequence
from dataclasses import replace

from bench.measure import Result, seconds, share_of_limit
from services.alerts.domain.checking import parse
from services.alerts.domain.rules import Rule
from services.alerts.domain.vocabulary import Facts
from services.alerts.engine import Engine
from services.alerts.engine.columns import Columns
from services.alerts.engine.durable import Translation
from services.alerts.rulebook import RULES, load_text
from services.process import spare_the_collector

FACTS, RUNS, REACH = 21_000, 5, 0.7

_CONDITIONS = (
    "rate < last_year.rate",
    "rate < target.rate and days_left <= 90",
    "shortfall.points > {n} pp",
    "last_year.points <= -{n} pp",
    "rank.from_bottom <= {n}",
    "rate < national.rate - 2{n} pp",
    "enforceable > 9 * done",
    "last_year.rate is unknown and rate < 3{n} %",
    "(rate < 40 % or last_year.points < -{n} pp) and enforceable > 100",
    'measure == "money" and above_national < -2{n} pp',
)

_RAW = """
import json, sys, time
import durable_rules_engine as library
asked = json.load(sys.stdin)
shards = enumerate(asked["shards"])
handles = [library.create_ruleset(f"shard{n}", shard) for n, shard in shards]
began = time.perf_counter()
for fact in asked["facts"]:
    for handle in handles:
        matched, state = library.assert_fact(handle, fact)
        started = matched == 0 and library.start_action_for_state(handle, state)
        action = started and started[1]
        while action:
            action = library.complete_and_start_action(handle, state)
        library.retract_fact(handle, fact)
print(time.perf_counter() - began)
"""


def rules_of(count: int = 30) -> list[Rule]:
    """Rules over rows of every category: scopes of each kind of unit, by turns."""
    base = load_text((RULES / "below-last-year.yaml").read_text("utf-8"))
    kinds = ("province", "office")
    return [
        replace(
            base,
            id=f"rule-{n}",
            where=parse(f'unit.kind == "{kinds[n % 2]}"'),
            when=parse(_CONDITIONS[n % 10].format(n=1 + n // 10)),
            examples=(),
        )
        for n in range(count)
    ]


def facts_of(count: int = FACTS) -> list[Facts]:
    """Rows of a national month, one in twenty without a year before it."""
    dice = random.Random(679)
    found: list[Facts] = []
    for n in range(count):
        rate, country = dice.randrange(3000, 9000), 5500
        last = rate - dice.randrange(-200, 1800)
        target, done = rate + dice.randrange(-2000, 200), dice.randrange(100, 1000)
        known = n % 20 > 0
        found.append(
            {
                "unit.code": f"P{n // 30}",
                "unit.kind": "province" if n % 11 == 0 else "office",
                "measure": "cases" if n % 2 else "money",
                "category": "all" if n % 15 == 0 else f"c{n % 15}",
                "period.end": 738_215,
                "at": 738_225,
                "days_left": dice.randrange(200),
                "rate": rate,
                "last_year.rate": last if known else None,
                "last_year.points": rate - last if known else None,
                "national.rate": country,
                "above_national": rate - country,
                "target.rate": target,
                "shortfall.points": max(0, target - rate),
                "rank.from_bottom": 1 + n % 63,
                "done": done,
                "enforceable": done + dice.randrange(3000),
            }
        )
    return found


async def run() -> list[Result]:
    """Medians, by turns, of deciding the facts and of the raw calls alone."""
    rules, facts = rules_of(), facts_of()
    translation = Translation(rules)
    assert not translation.native_only
    lines = translation.lines(Columns.of(facts, translation.names), 1)
    assert None not in lines
    spare_the_collector()  # as every process that serves does
    engine = Engine(deadline=120)
    took, limit = [], []
    try:
        await engine.start(rules)
        await engine.decide(facts[:500], traced=False)
        for _ in range(RUNS):
            took.append(await seconds(lambda: engine.decide(facts, traced=False)))
            limit.append(await _raw(translation.shards, lines))
        assert engine.counters.disagreements == engine.counters.restarts == 0
        traced = await seconds(lambda: engine.decide(facts))
    finally:
        await engine.stop()
    return [
        share_of_limit("evaluate", took, limit, REACH),
        Result("evaluate, explained", round(traced, 4), "s", None, None, "", ok=True),
    ]


async def _raw(shards: Sequence[str], facts: Sequence[str | None]) -> float:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-c", _RAW),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    asked = json.dumps({"shards": list(shards), "facts": list(facts)})
    answer, _ = await process.communicate(asked.encode())
    return float(answer)

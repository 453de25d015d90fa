"""A rule must not cost the engine its worker, nor many rules their time."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from services.alerts.engine import Engine
from services.alerts.engine.process import WORKER, WorkerDied
from services.alerts.engine.trial import bear
from services.alerts.rulebook import load_text
from services.alerts.rulebooks.usecases import Trial
from tests.alerts.rulebooks.test_backtests import (
    LEVEL_TOO,
    NEXT,
    RULE,
    backtest,
    draft,
)
from tests.support.world import World

pytestmark = pytest.mark.anyio

BARE = LEVEL_TOO[: LEVEL_TOO.index("examples:")]
POISON = BARE.replace('category == "all"', 'category == "all" and done != 4711')


def frail(place: Path, trick: str) -> Sequence[str]:
    """The real worker, but rules that speak of 4711 are too much for it."""
    script = place / "frail.py"
    script.write_text(
        "import os, sys, time, io\n"
        "line = sys.stdin.buffer.readline()\n"
        f"if b'4711' in line: {trick}\n"
        f"sys.path.insert(0, {str(Path(WORKER[-1]).parent)!r})\n"
        "import json, worker\n"
        "worker._limit(); replies = worker._own_output()\n"
        "match = worker.matcher(json.loads(line)['shards'])\n"
        "worker._reply(replies, {'ready': True})\n"
        "worker.serve(sys.stdin.buffer, replies, match)\n"
    )
    return (sys.executable, "-P", str(script))


@pytest.mark.parametrize("trick", ["os.abort()", "time.sleep(60)"])
async def test_who_kills_or_hangs_the_worker_is_found_out(
    tmp_path: Path, trick: str
) -> None:
    command = frail(tmp_path, trick)
    await bear([load_text(LEVEL_TOO)], command=command)

    with pytest.raises(WorkerDied):
        await bear([load_text(POISON)], command=command, patience=1.5)


async def test_a_rule_that_kills_the_worker_is_refused(
    still_world: World, tmp_path: Path
) -> None:
    await draft(still_world, POISON)
    await backtest(still_world)
    kept = still_world.app.state.trial
    still_world.app.state.trial = Trial("durable", frail(tmp_path, "os.abort()"))

    answer = await still_world.admin.post(f"{RULE}/activate", json={"version": NEXT})

    still_world.app.state.trial = kept
    assert (answer.status_code, answer.json()["code"]) == (409, "kills_the_engine")
    active = (await still_world.admin.get(RULE)).json()
    assert (active["version"], active["state"]) == (NEXT - 1, "active")


async def test_a_thousand_rules_at_once() -> None:
    rules = [
        load_text(BARE.replace("id: below-last-year", f"id: copy-{n}"))
        for n in range(1000)
    ]
    facts = {
        "unit.kind": "province", "measure": "cases", "category": "all",
        "rate": 4154, "last_year.rate": 4500, "last_year.points": -346,
    }  # fmt: skip
    engine = Engine()
    try:
        await engine.start(rules)
        [decided] = await engine.decide([facts])
    finally:
        await engine.stop()

    assert len(decided) == len(rules)
    assert {(d.decided_by, d.verdict.outcome) for d in decided} == {("both", "fired")}

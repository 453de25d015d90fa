"""Resident memory of the engine's worker after 100 000 facts, and after a million.

What the library keeps of a fact that it forgets would show as growth.
"""

from __future__ import annotations

import os
from pathlib import Path

from bench.evaluate import facts_of, rules_of
from bench.measure import Result
from services.alerts.engine import Engine

SOME, MANY, AT_ONCE, REACH = 100_000, 1_000_000, 20_000, 1.1


async def run() -> list[Result]:
    """Megabytes after many, against those after some (Linux)."""
    engine, facts, asked, after_some = Engine(deadline=120), facts_of(AT_ONCE), 0, 0.0
    try:
        await engine.start(rules_of())
        while asked < MANY:
            await engine.decide(facts, traced=False)
            asked += AT_ONCE
            if asked == SOME:
                after_some = _resident(engine)
        after_many = _resident(engine)
        assert engine.counters.disagreements == engine.counters.restarts == 0
    finally:
        await engine.stop()
    ratio = round(after_many / after_some, 3)
    reach = f"<= {REACH} x"
    ok = ratio <= REACH
    return [Result("worker_memory", after_many, "MB", after_some, ratio, reach, ok)]


def _resident(engine: Engine) -> float:
    pages = Path(f"/proc/{engine.worker_pid}/statm").read_text().split()[1]
    return round(int(pages) * os.sysconf("SC_PAGE_SIZE") / 2**20, 2)

"""Rules tried out in a worker of their own, before any that is at work loads them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from services.alerts.domain.rules import Rule
from services.alerts.engine.columns import Columns
from services.alerts.engine.durable import Translation
from services.alerts.engine.process import WORKER, EngineMissing, Worker

PATIENCE: Final = 10.0
"""Seconds to load, and again to answer: far beyond what any set of rules takes."""


async def bear(
    rules: Sequence[Rule],
    *,
    command: Sequence[str] = WORKER,
    patience: float = PATIENCE,
) -> None:
    """Load these rules and ask about their own examples. Raises WorkerDied or OSError
    where the worker dies of them or hangs; without durable-rules nothing can."""
    translation = Translation(rules)
    if not translation.shards:
        return
    try:
        worker = await Worker.start(command, translation.shards, deadline=patience)
    except EngineMissing:
        return
    try:
        lines = _examples(translation, rules)
        worker.send(lines)
        await worker.answer(len(lines), deadline=patience)
    finally:
        await worker.stop()


def _examples(translation: Translation, rules: Sequence[Rule]) -> list[str]:
    """The facts of every example as the worker reads them, and of a row without any."""
    facts = [{}, *(one.facts for rule in rules for one in rule.examples)]
    columns = Columns.of(facts, translation.names)
    return [line for line in translation.lines(columns, 1) if line is not None]

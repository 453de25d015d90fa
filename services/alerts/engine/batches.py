"""Rows on their way through both readings, and what is decided of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, TypeVar

from services.alerts.domain.rules import Rule, Verdict
from services.alerts.domain.vocabulary import Facts
from services.alerts.engine.bulk import Statuses
from services.alerts.engine.process import Worker, WorkerDied

DecidedBy = Literal["both", "native"]


class Why(StrEnum):
    """Why native decided alone."""

    TURNED_OFF = "turned_off"
    ENGINE_MISSING = "engine_missing"
    OUTSIDE_SAFE_SUBSET = "outside_safe_subset"
    DISAGREED = "disagreed"
    POISON = "poison"
    WORKER_DOWN = "worker_down"


@dataclass(frozen=True, slots=True)
class Decision:
    """What one rule says about one row in its scope, and who decided it."""

    rule: Rule
    verdict: Verdict
    decided_by: DecidedBy
    why: Why | None = None


Answer = tuple[int, ...] | Why
"""The rules that durable says match, in order, or why it says nothing."""

T = TypeVar("T")

Place = tuple[int, int]
"""Of a decision among those of its row, and of its rule among all."""


@dataclass(frozen=True, slots=True)
class Alike:
    """What rows of one pattern have in common: every decision without a trace, and the
    places of those that fire, and of those that name what is missing in the row."""

    decisions: tuple[Decision, ...]
    fired: tuple[Place, ...]
    unknown: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Pattern:
    """What native says of all rules: a month has many rows, and few patterns."""

    statuses: Statuses
    asked: bool
    """Whether any rule has the row in its scope."""
    alike: dict[Answer, Alike] = field(default_factory=dict)


@dataclass(slots=True)
class Batch:
    """Some rows on their way: what native says of each, and what durable is asked.

    All lists are by place. An object for each row would take as long as judging it.
    """

    facts: Sequence[Facts]
    """As the rules may read them."""
    patterns: Sequence[Pattern]
    lines: list[str | None]
    answers: list[Answer]

    def unanswered(self) -> list[int]:
        """The places of rows that were asked about in vain, or not yet."""
        down = Why.WORKER_DOWN
        return [place for place, answer in enumerate(self.answers) if answer is down]

    def said(self, places: Sequence[int]) -> list[str]:
        """What durable is asked about these places."""
        lines = self.lines
        if len(places) < len(lines):
            lines = [lines[place] for place in places]
        return [line for line in lines if line is not None]

    def put(
        self,
        places: Sequence[int],
        lines: Sequence[str | None],
        answers: Sequence[Answer],
    ) -> None:
        """Take what is to be asked about these places, and what is known so far."""
        _put(self.lines, places, lines)
        self.answered(places, answers)

    def answered(self, places: Sequence[int], answers: Sequence[Answer]) -> None:
        """Take what durable says of these places."""
        _put(self.answers, places, answers)


def _put(held: list[T], places: Sequence[int], new: Sequence[T]) -> None:
    if len(places) == len(held):
        held[:] = new
        return
    for place, one in zip(places, new, strict=True):
        held[place] = one


Asked = tuple[Batch, Sequence[int], float]
"""A batch, the places that were asked about, and how long that may take."""


class Answers:
    """Batches handed to a worker and its answers, read while more are handed over."""

    def __init__(self, worker: Worker | None) -> None:
        self.died: WorkerDied | None = None
        self.count = 0
        """How many of the batches that were asked about are answered."""
        self._worker = worker
        self._asked: asyncio.Queue[Asked | None] = asyncio.Queue()
        self._came = asyncio.Event()
        self._reading = asyncio.create_task(self._read())
        self._reading.add_done_callback(lambda _: self._came.set())

    def ask(self, batch: Batch, places: Sequence[int], *, deadline: float) -> None:
        if self._worker is None or self.died is not None:
            return
        if places:
            self._worker.send(batch.said(places))
        self._asked.put_nowait((batch, places, deadline))

    def no_more(self) -> None:
        """Say that nothing else will be asked."""
        self._asked.put_nowait(None)

    async def beyond(self, count: int) -> int:
        """How many batches are answered, as soon as these are more than so many, or
        all that will be."""
        while self.count <= count and not self._reading.done():
            self._came.clear()
            await self._came.wait()
        return self.count

    async def complete(self) -> None:
        """Wait for all, when nothing else will be asked."""
        await self._reading

    async def abandon(self) -> None:
        """Stop reading; a worker that was cut off in an answer ends itself."""
        if not self._reading.done():
            self._reading.cancel()
            await asyncio.wait([self._reading])

    async def _read(self) -> None:
        while (asked := await self._asked.get()) is not None:
            assert self._worker is not None
            batch, places, deadline = asked
            try:
                answers = (
                    await self._worker.answer(len(places), deadline=deadline)
                    if places
                    else []
                )
            except WorkerDied as died:
                self.died = died
                return
            batch.answered(places, answers)
            self.count += 1
            self._came.set()

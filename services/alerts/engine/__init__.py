"""Decides rows by rules: durable-rules in its worker and the native reading beside it.

    engine = Engine()
    await engine.start(rules)
    decided = await engine.decide(facts)    # one list of decisions per fact
    await engine.stop()

A decision stands when both readings agree. Where they differ, or durable is missing,
native's stands, and the decision says why.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal

import structlog

from services.alerts.domain.rules import Rule, Verdict
from services.alerts.domain.vocabulary import VOCABULARY, Bilingual, Facts, Names
from services.alerts.engine.batches import Answers, Batch, DecidedBy, Decision, Why
from services.alerts.engine.process import WORKER, EngineMissing, Worker, WorkerDied
from services.alerts.engine.readings import Counters, Readings

__all__ = ["Counters", "DecidedBy", "Decision", "Engine", "Health", "Mode", "Why"]

log = structlog.get_logger()

BATCH: Final = 500
"""Rows that are judged, asked about and answered together."""

AT_A_STRETCH: Final = 25_000
"""Rows times rules that are judged before the loop turns to others: a few ms. A thread
would hinder the loop as much, as both want the interpreter, and take a quarter longer.
"""

_COMPARED_AT_A_STRETCH: Final = 100
RESTARTS_A_MINUTE: Final = 30
_MINUTE: Final = 60.0
_STARTING: Final = 5.0
_SHORTEST: Final = 0.2

Mode = Literal["durable", "native"]


@dataclass(frozen=True, slots=True)
class Health:
    """Whether both readings decide, in words where they do not."""

    state: Literal["ok", "warn"]
    text: str


class Engine:
    """Both readings of a set of rules. One engine serves one asyncio loop."""

    def __init__(
        self,
        mode: Mode = "durable",
        deadline: float = 5.0,
        *,
        names: Names = VOCABULARY,
        command: Sequence[str] = WORKER,
        restarts_a_minute: int = RESTARTS_A_MINUTE,
    ) -> None:
        self.counters = Counters()
        self._mode = mode
        self._deadline = deadline
        self._names = names
        self._command = command
        self._restarts_allowed = restarts_a_minute
        self._restarts: deque[float] = deque()
        self._started = False
        self._missing: str | None = None
        self._worker: Worker | None = None
        self._asking = asyncio.Lock()
        self._readings = Readings((), names, self.counters)

    @property
    def rules(self) -> tuple[Rule, ...]:
        return self._readings.rules

    @property
    def native_only(self) -> Mapping[str, Bilingual]:
        """Rules that durable cannot be asked about, by id, with the reason."""
        return self._readings.native_only

    @property
    def worker_pid(self) -> int | None:
        """The worker's process id; None while there is no worker."""
        return self._worker.pid if self._worker else None

    async def start(self, rules: Sequence[Rule]) -> None:
        """Take these rules from now on, in a new worker; called again, it replaces."""
        await self.take(rules)
        async with self._asking:
            await self._running_worker()

    async def take(self, rules: Sequence[Rule]) -> None:
        """The same, but the worker starts only when there is something to judge."""
        async with self._asking:
            await self._end_worker()
            self._readings = Readings(rules, self._names, self.counters)
            self._missing = None
            self._started = False
            self._restarts.clear()

    async def stop(self) -> None:
        """End the worker. The engine can be started again."""
        async with self._asking:
            await self._end_worker()
            self._started = False

    async def decide(
        self, facts: Sequence[Facts], *, traced: bool = True
    ) -> list[Sequence[Decision]]:
        """Judge each fact by every rule in whose scope it lies.

        What fired or is held comes with its trace, unless `traced` is false;
        `explain` gives any other.
        """
        if not facts:
            return []
        async with self._asking:
            answers = Answers(await self._running_worker())
            decided: list[Sequence[Decision]] = []
            done = 0
            try:
                batches = await self._asked(facts, answers)
                # What is answered is compared while the worker goes on.
                while (count := await answers.beyond(done)) > done:
                    decided += await self._compared(batches[done:count], traced)
                    done = count
                await answers.complete()
            finally:
                await answers.abandon()
            if answers.died is not None:
                await self._lost(answers.died)
            await self._settle(batches[done:])
            decided += await self._compared(batches[done:], traced)
            await self._running_worker()
            return decided

    def explain(self, rule_id: str, facts: Facts) -> Verdict | None:
        """What native says of one fact under one rule, with the whole trace."""
        return self._readings.explain(rule_id, facts)

    def health(self) -> Health:
        """One line for an operator; `warn` when native decides alone."""
        if self._mode == "native":
            return Health("ok", "native decides alone, as configured")
        if self._missing is not None:
            return Health("warn", f"durable-rules is missing: {self._missing}")
        if self._worker is None and self._started:
            return Health("warn", "the engine's worker is down; native decides alone")
        if self.counters.disagreements:
            n = self.counters.disagreements
            return Health("warn", f"durable and native disagreed {n} times")
        return Health("ok", "durable and native decide together")

    # Asking

    async def _asked(self, facts: Sequence[Facts], answers: Answers) -> list[Batch]:
        """Native's verdicts; meanwhile the worker answers what is sent already."""
        alone = None
        if self._mode == "native":
            alone = Why.TURNED_OFF
        elif self._missing is not None:
            alone = Why.ENGINE_MISSING
        batches: list[Batch] = []
        most = max(1, min(BATCH, AT_A_STRETCH // max(1, len(self.rules))))
        for start in range(0, len(facts), most):
            batch = self._readings.batch(facts[start : start + most], alone)
            answers.ask(batch, batch.unanswered(), deadline=self._deadline)
            batches.append(batch)
            await asyncio.sleep(0)
        answers.no_more()
        return batches

    async def _compared(
        self, batches: Sequence[Batch], traced: bool
    ) -> list[Sequence[Decision]]:
        decided: list[Sequence[Decision]] = []
        rows = self._readings.decided(batches, traced)
        while some := list(islice(rows, _COMPARED_AT_A_STRETCH)):
            decided += some
            await asyncio.sleep(0)
        return decided

    # The worker

    async def _running_worker(self) -> Worker | None:
        """The worker, started if need be; None when there is none to be had."""
        if self._worker is not None:
            return self._worker
        if self._mode == "native" or self._missing or not self._readings.shards:
            return None
        if self._started and not self._may_restart():
            return None
        self._started = True
        await self._start_worker()
        return self._worker

    async def _start_worker(self) -> None:
        patience = max(self._deadline, _STARTING)
        try:
            self._worker = await Worker.start(
                self._command, self._readings.shards, deadline=patience
            )
        except EngineMissing as missing:
            self._missing = str(missing)
            log.warning("engine_missing", why=self._missing)
        except (WorkerDied, OSError) as died:
            log.error("worker_did_not_start", why=str(died))

    def _may_restart(self) -> bool:
        now = asyncio.get_running_loop().time()
        while self._restarts and self._restarts[0] <= now - _MINUTE:
            self._restarts.popleft()
        if len(self._restarts) >= self._restarts_allowed:
            return False
        self._restarts.append(now)
        self.counters.restarts += 1
        return True

    async def _lost(self, died: WorkerDied) -> None:
        log.error("worker_died", why=str(died))
        await self._end_worker()

    async def _end_worker(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            await worker.stop()

    # What the first pass left without an answer

    async def _settle(self, batches: Sequence[Batch]) -> None:
        """Ask again, batch by batch: only a death in the first pass leads here."""
        for batch in batches:
            await self._ask(batch, batch.unanswered(), deadline=self._deadline)

    async def _ask(
        self, batch: Batch, places: Sequence[int], *, deadline: float
    ) -> None:
        """Bisect a batch that kills the worker, until what kills it stands alone."""
        if await self._answered(batch, places, deadline=deadline):
            return
        if len(places) == 1:
            await self._condemn(batch, places[0], deadline=deadline)
            return
        half = len(places) // 2
        shorter = max(deadline / 2, min(_SHORTEST, deadline))
        await self._ask(batch, places[:half], deadline=shorter)
        await self._ask(batch, places[half:], deadline=shorter)

    async def _condemn(self, batch: Batch, place: int, *, deadline: float) -> None:
        """A fact is poison when the worker dies of it twice; once may be chance."""
        if await self._running_worker() is None:
            return
        if not await self._answered(batch, [place], deadline=deadline):
            batch.answers[place] = Why.POISON
            self.counters.poison += 1
            log.error("poison_fact", fact=batch.lines[place])

    async def _answered(
        self, batch: Batch, places: Sequence[int], *, deadline: float
    ) -> bool:
        """Whether there is nothing more to ask: answered, or no worker to be had."""
        if not places:
            return True
        worker = await self._running_worker()
        if worker is None:
            return True
        answers = Answers(worker)
        try:
            answers.ask(batch, places, deadline=deadline)
            answers.no_more()
            await answers.complete()
        finally:
            await answers.abandon()
        if answers.died is not None:
            await self._lost(answers.died)
        return answers.died is None

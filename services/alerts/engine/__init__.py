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
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import Final, Literal

import structlog

from services.alerts.domain.rules import Outcome, Rule, Severity, Verdict
from services.alerts.domain.vocabulary import VOCABULARY, Bilingual, Facts, Names
from services.alerts.engine.bulk import Sealing, Status, Statuses, judge_of
from services.alerts.engine.durable import FactRefused, Translation
from services.alerts.engine.native import CompiledRule
from services.alerts.engine.process import WORKER, EngineMissing, Worker, WorkerDied

__all__ = ["Counters", "DecidedBy", "Decision", "Engine", "Health", "Mode", "Why"]

log = structlog.get_logger()

BATCH: Final = 500
RESTARTS_A_MINUTE: Final = 30
_MINUTE: Final = 60.0
_STARTING: Final = 5.0
_PATTERNS: Final = 10_000
_SHORTEST: Final = 0.2

Mode = Literal["durable", "native"]
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


@dataclass(slots=True)
class Counters:
    """What operators watch, since this engine was made."""

    decisions: int = 0
    disagreements: int = 0
    restarts: int = 0
    poison: int = 0
    refused: int = 0

    def add(self, other: Counters) -> None:
        """Count what another engine counted too."""
        for counter in fields(self):
            more = getattr(other, counter.name)
            setattr(self, counter.name, getattr(self, counter.name) + more)


@dataclass(frozen=True, slots=True)
class Health:
    """Whether both readings decide, in words where they do not."""

    state: Literal["ok", "warn"]
    text: str


Answer = tuple[int, ...] | Why
"""The rules that durable says match, in order, or why it says nothing."""


@dataclass(slots=True)
class _Row:
    """One fact on its way: what native says of it, and what durable is asked."""

    facts: Facts
    statuses: Statuses
    line: str | None = None
    answer: Answer = ()


@dataclass(frozen=True, slots=True)
class _Alike:
    """What rows of one pattern have in common: every decision as if it were silent,
    and which of them are not: (place among the decisions, rule)."""

    decisions: list[Decision]
    spoken: tuple[tuple[int, int], ...]


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
        self._number = 0
        self._load(())

    @property
    def rules(self) -> tuple[Rule, ...]:
        return tuple(compiled.rule for compiled in self._compiled)

    @property
    def native_only(self) -> Mapping[str, Bilingual]:
        """Rules that durable cannot be asked about, by id, with the reason."""
        return self._translation.native_only

    @property
    def worker_pid(self) -> int | None:
        """The worker's process id; None while there is no worker."""
        return self._worker.pid if self._worker else None

    async def start(self, rules: Sequence[Rule]) -> None:
        """Take these rules from now on, in a new worker; called again, it replaces."""
        async with self._asking:
            await self._end_worker()
            self._load(rules)
            self._missing = None
            self._started = False
            self._restarts.clear()
            await self._running_worker()

    async def stop(self) -> None:
        """End the worker. The engine can be started again."""
        async with self._asking:
            await self._end_worker()
            self._started = False

    async def decide(
        self, facts: Sequence[Facts], *, traced: bool = True
    ) -> list[list[Decision]]:
        """Judge each fact by every rule in whose scope it lies.

        What fired or is held comes with its trace, unless `traced` is false;
        `explain` gives any other.
        """
        async with self._asking:
            rows = await self._judged(facts)
            await self._settle([row for row in rows if row.line and _unanswered(row)])
            await self._running_worker()
            return await asyncio.to_thread(self._decisions, rows, traced)

    def explain(self, rule_id: str, facts: Facts) -> Verdict | None:
        """What native says of one fact under one rule, with the whole trace."""
        for compiled in self._compiled:
            if compiled.rule.id == rule_id:
                return compiled.explain(self._sealing.seal(facts))
        raise KeyError(rule_id)

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

    # Loading

    def _load(self, rules: Sequence[Rule]) -> None:
        self._compiled = [CompiledRule(rule) for rule in rules]
        self._translation = Translation(rules)
        self._sealing = Sealing(rules, self._names)
        self._judge = judge_of(rules, self._sealing)
        self._silent = [_silences(rule) for rule in rules]
        self._fires: dict[tuple[int, Why | None, Severity], Decision] = {}
        self._alike: dict[tuple[Statuses, Answer], _Alike] = {}
        for rule_id, reason in self._translation.native_only.items():
            log.info("rule_native_only", rule=rule_id, reason=reason.en)

    # The native reading, and what durable is to be asked

    async def _judged(self, facts: Sequence[Facts]) -> list[_Row]:
        """Native's verdicts; meanwhile the worker answers what is sent already."""
        worker = await self._running_worker()
        rows: list[_Row] = []
        answers = _Answers(worker, self._deadline)
        try:
            for start in range(0, len(facts), BATCH):
                batch = facts[start : start + BATCH]
                judged = await asyncio.to_thread(self._natively, batch)
                rows.extend(judged)
                answers.ask([row for row in judged if row.line])
            await answers.complete()
        finally:
            await answers.abandon()
        if answers.died is not None:
            await self._lost(answers.died)
        return rows

    def _natively(self, batch: Sequence[Facts]) -> list[_Row]:
        rows = [_Row(facts, self._judge(facts)) for facts in batch]
        for row in rows:
            if any(row.statuses):
                self._phrase(row)
        return rows

    def _phrase(self, row: _Row) -> None:
        """Say the row to durable, unless it cannot be asked at all."""
        if self._mode == "native":
            row.answer = Why.TURNED_OFF
        elif self._missing is not None:
            row.answer = Why.ENGINE_MISSING
        else:
            row.answer = Why.WORKER_DOWN
            self._number += 1
            try:
                row.line = self._translation.fact(row.facts, self._number)
            except FactRefused:
                self.counters.refused += 1
                row.answer = Why.OUTSIDE_SAFE_SUBSET

    # The worker

    async def _running_worker(self) -> Worker | None:
        """The worker, started if need be; None when there is none to be had."""
        if self._worker is not None:
            return self._worker
        if self._mode == "native" or self._missing or not self._translation.shards:
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
                self._command, self._translation.shards, deadline=patience
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

    async def _settle(self, rows: Sequence[_Row]) -> None:
        """Ask again, batch by batch: only a death in the first pass leads here."""
        for start in range(0, len(rows), BATCH):
            await self._ask(rows[start : start + BATCH], deadline=self._deadline)

    async def _ask(self, rows: Sequence[_Row], *, deadline: float) -> None:
        """Bisect a batch that kills the worker, until what kills it stands alone."""
        if await self._answered(rows, deadline=deadline):
            return
        if len(rows) == 1:
            await self._condemn(rows[0], deadline=deadline)
            return
        half = len(rows) // 2
        shorter = max(deadline / 2, min(_SHORTEST, deadline))
        await self._ask(rows[:half], deadline=shorter)
        await self._ask(rows[half:], deadline=shorter)

    async def _condemn(self, row: _Row, *, deadline: float) -> None:
        """A fact is poison when the worker dies of it twice; once may be chance."""
        if await self._running_worker() is None:
            return
        if not await self._answered([row], deadline=deadline):
            row.answer = Why.POISON
            self.counters.poison += 1
            log.error("poison_fact", fact=row.line)

    async def _answered(self, rows: Sequence[_Row], *, deadline: float) -> bool:
        """Whether there is nothing more to ask: answered, or no worker to be had."""
        worker = await self._running_worker()
        if worker is None:
            return True
        answers = _Answers(worker, deadline)
        try:
            answers.ask(rows)
            await answers.complete()
        finally:
            await answers.abandon()
        if answers.died is not None:
            await self._lost(answers.died)
        return answers.died is None

    # The comparison

    def _decisions(self, rows: Sequence[_Row], traced: bool) -> list[list[Decision]]:
        decided = [self._decided(row, traced) for row in rows]
        self.counters.decisions += sum(map(len, decided))
        return decided

    def _decided(self, row: _Row, traced: bool) -> list[Decision]:
        """Rows of which both readings say the same are alike: what is silent in them
        is worked out once, and only what is not is judged in words."""
        pattern = (row.statuses, row.answer)
        alike = self._alike.get(pattern)
        if alike is None:
            disagreements = self.counters.disagreements
            alike, spoken = self._compared(row)
            if disagreements == self.counters.disagreements and not spoken:
                if len(self._alike) >= _PATTERNS:
                    self._alike.clear()
                self._alike[pattern] = alike
        decisions = alike.decisions.copy()
        for place, index in alike.spoken:
            status = row.statuses[index]
            decisions[place] = (
                self._fired(index, decisions[place], row.facts)
                if status is Status.TRUE and not traced
                else self._worded(index, decisions[place], row.facts, traced)
            )
        return decisions

    def _worded(
        self, index: int, like: Decision, facts: Facts, traced: bool
    ) -> Decision:
        """The verdict with what is missing, and on request with the whole trace."""
        compiled, sealed = self._compiled[index], self._sealing.seal(facts)
        verdict = compiled.explain(sealed) if traced else compiled.judge(sealed)
        assert verdict is not None
        return Decision(like.rule, verdict, like.decided_by, like.why)

    def _fired(self, index: int, like: Decision, facts: Facts) -> Decision:
        """A rule that fires, without the trace, says no more than how bad it is."""
        compiled = self._compiled[index]
        sealed = self._sealing.seal(facts, compiled.severity_names)
        severity = compiled.severity(sealed)
        key = (index, like.why, severity)
        known = self._fires.get(key)
        if known is None:
            verdict = Verdict(Outcome.FIRED, (), severity)
            known = Decision(like.rule, verdict, like.decided_by, like.why)
            self._fires[key] = known
        return known

    def _compared(self, row: _Row) -> tuple[_Alike, bool]:
        """Both readings of a row, and whether it takes its facts to compare them."""
        decisions: list[Decision] = []
        spoken: list[tuple[int, int]] = []
        by_facts = False
        for index, status in enumerate(row.statuses):
            if status is Status.OUT:
                by_facts |= self._expect_silence(row, index)
                continue
            why = self._why(row, index, status)
            if status is not Status.FALSE:
                spoken.append((len(decisions), index))
            decisions.append(self._silent[index][why])
        return _Alike(decisions, tuple(spoken)), by_facts

    def _why(self, row: _Row, index: int, status: Status) -> Why | None:
        rule = self._compiled[index].rule
        if row.answer is Why.TURNED_OFF or row.answer is Why.ENGINE_MISSING:
            return row.answer
        if rule.id in self._translation.native_only:
            return Why.OUTSIDE_SAFE_SUBSET
        if isinstance(row.answer, Why):
            return row.answer
        if (index in row.answer) is (status is Status.TRUE):
            return None
        self._disagreed(rule, row, native=status)
        return Why.DISAGREED

    def _expect_silence(self, row: _Row, index: int) -> bool:
        """Durable must not match where native sees the row out of scope either; it
        does not know from when to when a rule is in force. True when it matched."""
        if isinstance(row.answer, Why) or index not in row.answer:
            return False
        compiled = self._compiled[index]
        if compiled.in_force(self._sealing.seal(row.facts)):
            self._disagreed(compiled.rule, row, native=Status.OUT)
        return True

    def _disagreed(self, rule: Rule, row: _Row, *, native: Status) -> None:
        self.counters.disagreements += 1
        log.error(
            "readings_disagree",
            rule=rule.id,
            version=rule.version,
            native=native.name,
            durable=row.answer,
            fact=row.line,
        )


class _Answers:
    """Batches handed to a worker and its answers, read while more are handed over."""

    def __init__(self, worker: Worker | None, deadline: float) -> None:
        self.died: WorkerDied | None = None
        self._worker = worker
        self._deadline = deadline
        self._batches: asyncio.Queue[Sequence[_Row] | None] = asyncio.Queue()
        self._reading = asyncio.create_task(self._read())

    def ask(self, rows: Sequence[_Row]) -> None:
        if not rows or self._worker is None or self.died is not None:
            return
        self._worker.send([row.line for row in rows if row.line])
        self._batches.put_nowait(rows)

    async def complete(self) -> None:
        self._batches.put_nowait(None)
        await self._reading

    async def abandon(self) -> None:
        """Stop reading; a worker that was cut off in an answer ends itself."""
        if not self._reading.done():
            self._reading.cancel()
            await asyncio.wait([self._reading])

    async def _read(self) -> None:
        while (rows := await self._batches.get()) is not None:
            if self._worker is None:
                return
            try:
                answers = await self._worker.answer(len(rows), deadline=self._deadline)
            except WorkerDied as died:
                self.died = died
                return
            for row, answer in zip(rows, answers, strict=True):
                row.answer = answer


def _unanswered(row: _Row) -> bool:
    return row.answer is Why.WORKER_DOWN


def _silences(rule: Rule) -> dict[Why | None, Decision]:
    """Most decisions are silence, and silence is always the same value."""
    silent = Decision(rule, Verdict(Outcome.SILENT), "both")
    decisions: dict[Why | None, Decision] = {None: silent}
    for why in Why:
        decisions[why] = replace(silent, decided_by="native", why=why)
    return decisions

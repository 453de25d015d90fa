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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Final, Literal

import structlog

from services.alerts.domain.rules import Outcome, Rule, Verdict
from services.alerts.domain.vocabulary import VOCABULARY, Bilingual, Facts, Names
from services.alerts.engine.batches import (
    Alike,
    Answers,
    Batch,
    DecidedBy,
    Decision,
    Pattern,
    Place,
    Why,
)
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
        await self.take(rules)
        async with self._asking:
            await self._running_worker()

    async def take(self, rules: Sequence[Rule]) -> None:
        """The same, but the worker starts only when there is something to judge."""
        async with self._asking:
            await self._end_worker()
            self._load(rules)
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
            try:
                batches = await self._asked(facts, answers)
                # What is answered is compared while the worker goes on.
                done = answers.count
                decided = await self._compared(batches[:done], traced)
                await answers.complete()
            finally:
                await answers.abandon()
            if answers.died is not None:
                await self._lost(answers.died)
            await self._settle(batches[answers.count :])
            decided += await self._compared(batches[done:], traced)
            await self._running_worker()
            return decided

    def explain(self, rule_id: str, facts: Facts) -> Verdict | None:
        """What native says of one fact under one rule, with the whole trace."""
        for compiled in self._compiled:
            if compiled.rule.id == rule_id:
                return compiled.explain(self._sealing.seal(facts, compiled.names))
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
        self._patterns: dict[Statuses, Pattern] = {}
        for rule_id, reason in self._translation.native_only.items():
            log.info("rule_native_only", rule=rule_id, reason=reason.en)

    # The native reading, and what durable is to be asked

    async def _asked(self, facts: Sequence[Facts], answers: Answers) -> list[Batch]:
        """Native's verdicts; meanwhile the worker answers what is sent already."""
        batches: list[Batch] = []
        for start in range(0, len(facts), BATCH):
            some = facts[start : start + BATCH]
            batch = await asyncio.to_thread(self._natively, some)
            answers.ask(batch, batch.unanswered(), deadline=self._deadline)
            batches.append(batch)
        return batches

    def _natively(self, facts: Sequence[Facts]) -> Batch:
        known = self._patterns.get
        patterns = [
            known(statuses) or self._pattern(statuses)
            for statuses in map(self._judge, facts)
        ]
        batch = Batch(facts, patterns, [None] * len(facts), [()] * len(facts))
        self._phrase(batch)
        return batch

    def _pattern(self, statuses: Statuses) -> Pattern:
        if len(self._patterns) >= _PATTERNS:
            self._patterns.clear()
        pattern = self._patterns[statuses] = Pattern(statuses, any(statuses))
        return pattern

    def _phrase(self, batch: Batch) -> None:
        """Say the rows to durable, unless it cannot be asked at all."""
        answer = Why.WORKER_DOWN
        if self._mode == "native":
            answer = Why.TURNED_OFF
        elif self._missing is not None:
            answer = Why.ENGINE_MISSING
        fact, number = self._translation.fact, self._number
        for place, pattern in enumerate(batch.patterns):
            if not pattern.asked:
                continue
            batch.answers[place] = answer
            if answer is not Why.WORKER_DOWN:
                continue
            try:
                batch.lines[place] = fact(batch.facts[place], number + place)
            except FactRefused:
                self.counters.refused += 1
                batch.answers[place] = Why.OUTSIDE_SAFE_SUBSET
        self._number += len(batch.facts)

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
            await answers.complete()
        finally:
            await answers.abandon()
        if answers.died is not None:
            await self._lost(answers.died)
        return answers.died is None

    # The comparison

    async def _compared(
        self, batches: Sequence[Batch], traced: bool
    ) -> list[Sequence[Decision]]:
        return await asyncio.to_thread(self._decisions, batches, traced)

    def _decisions(
        self, batches: Sequence[Batch], traced: bool
    ) -> list[Sequence[Decision]]:
        decided = [
            decisions for batch in batches for decisions in self._decided(batch, traced)
        ]
        self.counters.decisions += sum(map(len, decided))
        return decided

    def _decided(self, batch: Batch, traced: bool) -> Iterator[Sequence[Decision]]:
        """What both readings say of a pattern is worked out once; only what fires or is
        not known of a row takes words of its own."""
        rows = zip(batch.patterns, batch.answers, batch.facts, strict=True)
        for place, (pattern, answer, facts) in enumerate(rows):
            alike = pattern.alike.get(answer) or self._alike(batch, place)
            worded = alike.fired + alike.unknown if traced else alike.unknown
            if not worded:
                yield alike.decisions
                continue
            decisions = list(alike.decisions)
            for n, index in worded:
                decisions[n] = self._worded(index, decisions[n], facts, traced)
            yield decisions

    def _worded(
        self, index: int, like: Decision, facts: Facts, traced: bool
    ) -> Decision:
        """The verdict with what is missing, and on request with the whole trace."""
        compiled = self._compiled[index]
        sealed = self._sealing.seal(facts, compiled.names)
        verdict = compiled.explain(sealed) if traced else compiled.judge(sealed)
        assert verdict is not None
        return Decision(like.rule, verdict, like.decided_by, like.why)

    def _alike(self, batch: Batch, place: int) -> Alike:
        """Compared once for all rows of a pattern that durable answers the same; each
        row is compared on its own where they differ, or its day has to be looked at."""
        disagreements = self.counters.disagreements
        alike, by_facts = self._by_both(batch, place)
        if disagreements == self.counters.disagreements and not by_facts:
            batch.patterns[place].alike[batch.answers[place]] = alike
        return alike

    def _by_both(self, batch: Batch, place: int) -> tuple[Alike, bool]:
        """Both readings of a row, and whether it takes its facts to compare them."""
        decisions: list[Decision] = []
        fired: list[Place] = []
        unknown: list[Place] = []
        by_facts = False
        for index, status in enumerate(batch.patterns[place].statuses):
            if status is Status.OUT:
                by_facts |= self._expect_silence(batch, place, index)
                continue
            why = self._why(batch, place, index, status)
            if status is Status.UNKNOWN:
                unknown.append((len(decisions), index))
            elif status is not Status.FALSE:
                fired.append((len(decisions), index))
            rule = self._compiled[index].rule
            decisions.append(_untraced(rule, status, why))
        return Alike(tuple(decisions), tuple(fired), tuple(unknown)), by_facts

    def _why(self, batch: Batch, place: int, index: int, status: Status) -> Why | None:
        rule, answer = self._compiled[index].rule, batch.answers[place]
        if answer is Why.TURNED_OFF or answer is Why.ENGINE_MISSING:
            return answer
        if rule.id in self._translation.native_only:
            return Why.OUTSIDE_SAFE_SUBSET
        if isinstance(answer, Why):
            return answer
        if (index in answer) is (status.severity is not None):
            return None
        self._disagreed(rule, batch, place, native=status)
        return Why.DISAGREED

    def _expect_silence(self, batch: Batch, place: int, index: int) -> bool:
        """Durable must not match where native sees the row out of scope either; it
        does not know from when to when a rule is in force. True when it matched."""
        answer = batch.answers[place]
        if isinstance(answer, Why) or index not in answer:
            return False
        compiled = self._compiled[index]
        if compiled.in_force(self._sealing.seal(batch.facts[place])):
            self._disagreed(compiled.rule, batch, place, native=Status.OUT)
        return True

    def _disagreed(
        self, rule: Rule, batch: Batch, place: int, *, native: Status
    ) -> None:
        self.counters.disagreements += 1
        log.error(
            "readings_disagree",
            rule=rule.id,
            version=rule.version,
            native=native.name,
            durable=batch.answers[place],
            fact=batch.lines[place],
        )


def _untraced(rule: Rule, status: Status, why: Why | None) -> Decision:
    """The decision without a trace, and as if it were silent where it is unknown."""
    severity = status.severity
    outcome = Outcome.SILENT if severity is None else Outcome.FIRED
    verdict = Verdict(outcome, (), severity)
    return Decision(rule, verdict, "both" if why is None else "native", why)

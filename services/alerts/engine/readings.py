"""Both readings of a set of rules, all but the worker: what native says of rows, what
durable is to be asked, and what is decided when it has answered.

Nothing here waits: whoever calls it turns to others between a batch and the next.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Final

import structlog

from services.alerts.domain.rules import Outcome, Rule, Verdict
from services.alerts.domain.vocabulary import Bilingual, Facts, Names
from services.alerts.engine.batches import (
    Alike,
    Batch,
    Decision,
    Pattern,
    Place,
    Why,
)
from services.alerts.engine.bulk import Sealing, Status, Statuses, judge_of
from services.alerts.engine.columns import Columns
from services.alerts.engine.durable import Translation
from services.alerts.engine.native import CompiledRule

log = structlog.get_logger()

_PATTERNS: Final = 10_000


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


class _Patterns(dict[Statuses, Pattern]):
    """The patterns that have been seen."""

    def __missing__(self, statuses: Statuses) -> Pattern:
        if len(self) >= _PATTERNS:
            self.clear()
        pattern = self[statuses] = Pattern(statuses, any(statuses))
        return pattern


class Readings:
    """Rules that are loaded."""

    def __init__(self, rules: Sequence[Rule], names: Names, counters: Counters) -> None:
        self.counters = counters
        self._compiled = [CompiledRule(rule) for rule in rules]
        self._by_id = {compiled.rule.id: compiled for compiled in self._compiled}
        self._translation = Translation(rules)
        self._sealing = Sealing(rules, names)
        self._judge = judge_of(rules, self._sealing)
        self._patterns = _Patterns()
        self._number = 0
        for rule_id, reason in self.native_only.items():
            log.info("rule_native_only", rule=rule_id, reason=reason.en)

    @property
    def rules(self) -> tuple[Rule, ...]:
        return tuple(compiled.rule for compiled in self._compiled)

    @property
    def native_only(self) -> Mapping[str, Bilingual]:
        """Rules that durable cannot be asked about, by id, with the reason."""
        return self._translation.native_only

    @property
    def shards(self) -> Sequence[str]:
        """The rules as durable loads them."""
        return self._translation.shards

    def explain(self, rule_id: str, facts: Facts) -> Verdict | None:
        """What native says of one fact under one rule, with the whole trace."""
        compiled = self._by_id[rule_id]
        return compiled.explain(self._sealing.seal(facts, compiled.names))

    # The native reading, and what durable is to be asked

    def batch(self, facts: Sequence[Facts], alone: Why | None) -> Batch:
        """What native says of rows, and how to ask durable about them, unless there is
        a reason why native decides `alone`."""
        said, sealed = self._sealing.columns(facts)
        judged = self._judge(sealed.said.values())
        patterns = list(map(self._patterns.__getitem__, judged))
        batch = Batch(sealed.rows, patterns, [None] * len(facts), [()] * len(facts))
        asked = [place for place, pattern in enumerate(patterns) if pattern.asked]
        if alone is None:
            self._phrase(batch, said, asked)
        else:
            for place in asked:
                batch.answers[place] = alone
        return batch

    def _phrase(self, batch: Batch, said: Columns, asked: Sequence[int]) -> None:
        """Say these rows to durable; until it answers they count as not answered."""
        some = said if len(asked) == len(said.rows) else said.only(asked)
        lines = self._translation.lines(some, self._number)
        self._number += len(lines)
        down, refused = Why.WORKER_DOWN, Why.OUTSIDE_SAFE_SUBSET
        answers = [refused if line is None else down for line in lines]
        batch.put(asked, lines, answers)
        self.counters.refused += lines.count(None)

    # The comparison

    def decided(
        self, batches: Iterable[Batch], traced: bool
    ) -> Iterator[Sequence[Decision]]:
        """What is decided of each row.

        What both readings say of a pattern is worked out once; only what fires or is
        not known of a row takes words of its own.
        """
        for batch in batches:
            rows = zip(batch.patterns, batch.answers, strict=True)
            found = [pattern.alike.get(answer) for pattern, answer in rows]
            for place, known in enumerate(found):
                alike = known or self._alike(batch, place)
                self.counters.decisions += len(alike.decisions)
                worded = alike.fired + alike.unknown if traced else alike.unknown
                if worded:
                    yield self._worded(alike, worded, batch.facts[place], traced)
                else:
                    yield alike.decisions

    def _worded(
        self, alike: Alike, worded: Sequence[Place], facts: Facts, traced: bool
    ) -> Sequence[Decision]:
        """The verdicts with what is missing, and on request with the whole trace."""
        decisions = list(alike.decisions)
        for n, index in worded:
            compiled, like = self._compiled[index], decisions[n]
            verdict = compiled.explain(facts) if traced else compiled.unknown(facts)
            assert verdict is not None
            decisions[n] = Decision(like.rule, verdict, like.decided_by, like.why)
        return decisions

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
        if rule.id in self.native_only:
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
        if compiled.in_force(batch.facts[place]):
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

"""A whole rule as a value, and what judging a row by it gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from services.alerts.domain.expressions import (
    All,
    Condition,
    Expression,
    ParamTable,
    names_in,
)
from services.alerts.domain.vocabulary import Bilingual, Facts, Printed
from services.alerts.domain.watching import Watch
from services.alerts.domain.wording import places


class Unknown(StrEnum):
    """What it means when a figure that the rule needs is missing."""

    HOLD = "hold"
    RAISE = "raise"
    IGNORE = "ignore"


class Severity(StrEnum):
    """In this order, the least first."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def order(self) -> int:
        return list(Severity).index(self)


class Owes(StrEnum):
    """What a unit must hand in when the rule fires."""

    EXPLANATION = "explanation"
    PLAN = "plan"
    REPORT = "report"
    NOTHING = "nothing"


class Closes(StrEnum):
    """What ends a matter: someone accepts what was handed in, or the data recover."""

    ACCEPTED = "accepted"
    DATA = "data"


class Outcome(StrEnum):
    """How a row stands under a rule. A row out of its scope has no outcome."""

    FIRED = "fired"
    HELD = "held"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Source:
    """The document that a rule puts into practice, and where in it."""

    document: str
    date: date
    at: str | None = None


@dataclass(frozen=True, slots=True)
class Effective:
    """From the first day in to the first day out; open when `end` is None."""

    start: date
    end: date | None = None

    def covers(self, day: date) -> bool:
        return self.start <= day and (self.end is None or day < self.end)


@dataclass(frozen=True, slots=True)
class SeverityRow:
    """The severity when `condition` holds; the last row has none."""

    condition: Expression | None
    severity: Severity


@dataclass(frozen=True, slots=True)
class OnDay:
    """By a day of the month after the period, or before it."""

    day: int
    inclusive: bool


@dataclass(frozen=True, slots=True)
class Within:
    """Within so many working days of the opening, or of the period's end."""

    working_days: int
    from_period_end: bool = False


@dataclass(frozen=True, slots=True)
class Every:
    """A standing report: due so many working days after the end of each month or
    quarter, or on a day of the month that follows."""

    months: int
    due: OnDay | Within


Deadline = OnDay | Within | Every


class Visibility(StrEnum):
    """Who may see a matter beside those above its unit."""

    UNIT = "unit"
    PARENT_AND_ABOVE = "parent_and_above"


@dataclass(frozen=True, slots=True)
class Inhibition:
    """While this rule's matter is open, those rules open none that is the same in
    these respects (`unit`, `period`, `measure`, `category`)."""

    rules: tuple[str, ...]
    same: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """Who hears next: `levels` up from the unit."""

    working_days: int | None
    """So many after the step before it, the first after the opening. None: at the
    deadline."""
    levels: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What an example says must come out; None where it does not say."""

    fires: bool | None = None
    held: bool | None = None
    severity: Severity | None = None
    due: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """Figures that a rule was written for, and what it must say about them."""

    given: Mapping[str, Printed]
    facts: Facts
    period_end: date | None
    at: date | None
    expect: Expectation


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One version of one rule, checked."""

    id: str
    version: int
    title: Bilingual
    basis: tuple[Source, ...]
    effective: Effective
    watches: Watch
    where: Expression | None
    when: Expression
    unknown: Unknown
    severity: tuple[SeverityRow, ...]
    owes: Owes
    due: Deadline | None
    escalate: tuple[Step, ...]
    closes: Closes
    message: Bilingual | None
    group_by: tuple[str, ...]
    """`unit` for rules of cases: one matter a unit, whose members come and go."""
    inhibits: tuple[Inhibition, ...]
    visibility: Visibility
    params: Mapping[str, ParamTable]
    examples: tuple[Example, ...]

    @property
    def condition(self) -> Condition:
        """`where` and `when` as one condition."""
        if self.where is None:
            return self.when.condition
        parts: list[Condition] = []
        for expression in (self.where, self.when):
            inner = expression.condition
            parts.extend(inner.parts if isinstance(inner, All) else (inner,))
        return All(tuple(parts))

    @property
    def judges_by(self) -> frozenset[str]:
        """Every name that it reads of a row to judge it, and to say how bad that is."""
        return names_in(self.condition).union(
            *(names_in(r.condition.condition) for r in self.severity if r.condition)
        )

    @property
    def names(self) -> frozenset[str]:
        """Every name that it reads of a row: also in its message."""
        read = {*self.judges_by}
        if self.message is not None:
            for template in (self.message.vi, self.message.en):
                read |= {name for name, _ in places(template)}
        return frozenset(read)


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceLeaf:
    """One comparison with the values that went into it, as an officer reads it."""

    name: str
    value: Printed
    operator: str
    right: str | None
    """The literal or name on the right as the rule writes it."""
    right_value: Printed
    verdict: bool | None

    def as_json(self) -> dict[str, Printed]:
        return {
            "name": self.name,
            "value": self.value,
            "operator": self.operator,
            "right": self.right,
            "right_value": self.right_value,
            "verdict": self.verdict,
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a row stands under a rule and why. `missing` names what was unknown."""

    outcome: Outcome
    missing: tuple[str, ...] = ()
    severity: Severity | None = None
    trace: tuple[TraceLeaf, ...] = ()


def outcome(judged: bool | None, unknown: Unknown) -> Outcome:
    """What a rule says when its whole condition is true, false or unknown."""
    if judged is not None:
        return Outcome.FIRED if judged else Outcome.SILENT
    return _WHEN_UNKNOWN[unknown]


_WHEN_UNKNOWN = {
    Unknown.HOLD: Outcome.HELD,
    Unknown.RAISE: Outcome.FIRED,
    Unknown.IGNORE: Outcome.SILENT,
}

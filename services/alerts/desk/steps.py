"""What a test file says, step by step: what is given and expected, and time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from libs.common.periods import Period
from services.alerts.domain.rules import Severity
from services.alerts.domain.vocabulary import Value

Words = Mapping[str, Value | None]
"""What is given of one row or one case, by name."""


@dataclass(frozen=True, slots=True)
class Key:
    """Which row: a scorecard's, a report's (no measure), a unit's cases (no period)."""

    unit: str
    measure: str | None
    period: Period | None


@dataclass(frozen=True, slots=True)
class Expected:
    """One verdict that must come out; None where the file does not say."""

    line: int
    rule: str
    unit: str
    period: Period | None
    measure: str | None
    fires: bool | None
    held: tuple[str, ...] | None
    severity: Severity | None
    due: date | None
    members: int | None
    facts: Mapping[str, Value | None]


@dataclass(frozen=True, slots=True)
class ExpectedEvent:
    """One thing that subscribers must hear of; `to` is how far up it goes."""

    type: Literal["escalation.overdue", "escalation.escalated"]
    unit: str
    to: str | None
    rule: str | None


@dataclass(frozen=True, slots=True)
class Given:
    """What is given on a day, and the verdicts that must come of it."""

    line: int
    name: str
    at: date
    rates: Mapping[Key, int | None]
    targets: Mapping[tuple[str, str, int], int]
    facts: Mapping[Key, Words]
    cases: Mapping[str, Sequence[Words]]
    expect: tuple[Expected, ...]
    events: tuple[ExpectedEvent, ...]
    """What is heard of at once: a matter that opens after its deadline is overdue."""
    allow_others: bool


@dataclass(frozen=True, slots=True)
class Then:
    """Time that passes after a test, and all that must happen in it."""

    line: int
    ahead: int
    working: bool
    events: tuple[ExpectedEvent, ...]


@dataclass(frozen=True, slots=True)
class Suite:
    """A test file; `rules` are (id, version or None), `kinds` each unit's kind."""

    rules: tuple[tuple[str, int | None], ...]
    kinds: Mapping[str, str] = field(default_factory=dict)
    steps: tuple[Given | Then, ...] = ()

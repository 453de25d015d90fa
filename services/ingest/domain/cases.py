"""A case record, and what makes it believable."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from libs.common.problems import Text
from services.ingest.domain.tree import Unit

STATUSES = (
    "enforceable",
    "not_enforceable",
    "postponed",
    "suspended",
    "completed",
    "terminated",
    "ledger",
)
FINISHED = ("completed", "terminated")
"""Nothing more happens to these; they are kept as long as the agency says."""

LARGE_CREDIT = 20_000_000_000
"""From 20 tỷ đồng a credit institution's case is reported on (Decision 1229/2023)."""

_PREFIX = "cas_"


def id_of(number: int) -> str:
    """A case's public name; names sort in the order in which cases first came.

    >>> id_of(4711)
    'cas_0000000004711'
    """
    return f"{_PREFIX}{number:013d}"


def number_of(id: str) -> int | None:
    """The number inside a case's name; None when it is no such name."""
    digits = id.removeprefix(_PREFIX)
    if not digits.isdecimal() or not digits.isascii():
        return None
    number = int(digits)
    return number if id == id_of(number) and number < 2**63 else None


def anniversary(day: date, years: int) -> date:
    """The same day years later; the last of February where it has no such day."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return day.replace(year=day.year + years, day=28)


@dataclass(frozen=True, slots=True)
class Standing:
    """What the flags of a case are judged by."""

    status: str
    decided_on: date
    claims: Sequence[str]
    due_vnd: int
    held_vnd: int | None
    key_case: bool


def flags(case: Standing, today: date) -> Iterator[str]:
    """What a supervisor looks for, as of a day.

    Age counts from the enforcement decision and must be *past* its anniversary.
    """
    if case.status == "enforceable":
        if today > anniversary(case.decided_on, 1):
            yield "over_1_year"
        large = "credit" in case.claims and case.due_vnd >= LARGE_CREDIT
        if large and today > anniversary(case.decided_on, 3):
            yield "credit_20bn_3y"
    if case.key_case:
        yield "key_case"
    if case.held_vnd:
        yield "held"


def faults_of_days(
    decided_on: str, status_since: str, as_of: str
) -> Iterator[tuple[str, str, Text]]:
    """Why three days (as ISO text) cannot be: (member, code, message)."""
    if decided_on > status_since:
        yield "/status_since", "before_decision", _before(status_since, decided_on)
    if status_since > as_of:
        yield "/status_since", "after_as_of", _after(status_since, as_of)
    elif decided_on > as_of:
        yield "/decided_on", "after_as_of", _after(decided_on, as_of)


def _before(day: str, decided_on: str) -> Text:
    return Text(
        f"Ngày {day} trước ngày ra quyết định thi hành án ({decided_on}).",
        f"{day} is before the enforcement decision ({decided_on}).",
    )


def _after(day: str, as_of: str) -> Text:
    return Text(
        f"Ngày {day} sau thời điểm của bản ghi (as_of {as_of}).",
        f"{day} is after the moment the record speaks of (as_of {as_of}).",
    )


@dataclass(frozen=True, slots=True)
class Register:
    """The tree as far as a key sees it, and which of its units became others."""

    rows: Mapping[str, Sequence[Unit]]
    predecessors: frozenset[str]
    today: date

    def standing(self) -> frozenset[str]:
        """Units that may have cases whatever the day of the decision."""
        return frozenset(
            code
            for code, rows in self.rows.items()
            if code in self.predecessors or any(r.in_force(self.today) for r in rows)
        )

    def holds(self, unit: str, decided_on: date) -> bool:
        """Whether a unit that stands no more stood when a case was decided."""
        return any(row.in_force(decided_on) for row in self.rows.get(unit, ()))

    def serves(self, officer: str, unit: str) -> bool:
        """Whether someone is, or ever was, an officer under a unit."""
        rows = self.rows.get(officer, ())
        if not any(row.kind == "officer" for row in rows):
            return False
        return unit in self._above(rows)

    def _above(self, rows: Iterable[Unit]) -> set[str]:
        found: set[str] = set()
        waiting = [row.parent for row in rows if row.parent]
        while waiting:
            parent = waiting.pop()
            if parent not in found:
                found.add(parent)
                above = self.rows.get(parent, ())
                waiting += [row.parent for row in above if row.parent]
        return found

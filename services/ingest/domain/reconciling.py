"""A report's columns counted again from case records, and where the two differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

FINISHED_PARTS = ("completed", "terminated")
PARTS = (
    "in_progress",
    *FINISHED_PARTS,
    "not_enforceable",
    "postponed_suspended",
    "separate_ledger",
)
"""Where one case stands at a cut-off: in exactly one of these, or outside the year."""

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "to_enforce": PARTS[:-1],
    "enforceable": ("in_progress", *FINISHED_PARTS),
    "done": FINISHED_PARTS,
    "completed": ("completed",),
    "terminated": ("terminated",),
    "in_progress": ("in_progress",),
    "not_enforceable": ("not_enforceable",),
    "postponed_suspended": ("postponed_suspended",),
    "separate_ledger": ("separate_ledger",),
}
"""The columns that records can count, and the parts that add up to each.

What was finished since 1 October still counts as enforceable, the ledger stands
outside every total (Circular 06/2019/TT-BTP).
"""

MONEY = ("to_enforce", "enforceable", "done")
"""The columns of money that records can add up."""


@dataclass(frozen=True, slots=True)
class Group:
    """Cases of one part, and where the records had them when it was reported.

    None is outside the year, or unknown then. A sum is None where one case's share is
    unknown.
    """

    part: str | None
    then: str | None
    cases: int
    owed: int | None
    collected: int | None


@dataclass(frozen=True, slots=True)
class Difference:
    """One column both ways; `why` says what kept a figure from being known."""

    measure: str
    column: str
    reported: int | None
    records: int | None
    why: str | None
    entered: int | None = None
    left: int | None = None

    @property
    def difference(self) -> int | None:
        """Reported less recorded; None where one of them is unknown."""
        if self.reported is None or self.records is None:
            return None
        return self.reported - self.records


Figures = Mapping[str, Mapping[str, int | None]]


def compared(reported: Figures | None, groups: Sequence[Group]) -> Iterator[Difference]:
    """Every column that could be compared, also where a figure is missing.

    `reported` is None without a report; `groups` is empty without any record.
    """
    for column in COLUMNS:
        yield _of_cases(column, reported, groups)
    for column in MONEY:
        yield _of_money(column, reported, groups)


def _of_cases(
    column: str, reported: Figures | None, groups: Sequence[Group]
) -> Difference:
    given = _reported(reported, "cases", column)
    if not groups:
        return Difference("cases", column, given, None, "no_records")
    parts = COLUMNS[column]
    return Difference(
        "cases",
        column,
        given,
        sum(g.cases for g in groups if g.part in parts),
        _why(reported, given),
        sum(g.cases for g in groups if g.part in parts and g.then not in parts),
        sum(g.cases for g in groups if g.then in parts and g.part not in parts),
    )


def _of_money(
    column: str, reported: Figures | None, groups: Sequence[Group]
) -> Difference:
    given = _reported(reported, "money", column)
    if not groups:
        return Difference("money", column, given, None, "no_records")
    total = _total(column, groups)
    why = "collected_before_unknown" if total is None else _why(reported, given)
    return Difference("money", column, given, total, why)


def _total(column: str, groups: Sequence[Group]) -> int | None:
    """What was collected of all that was to be enforced, or what a column owed."""
    done = column == "done"
    parts = COLUMNS["to_enforce" if done else column]
    shares = [g.collected if done else g.owed for g in groups if g.part in parts]
    known = [share for share in shares if share is not None]
    return sum(known) if len(known) == len(shares) else None


def _reported(reported: Figures | None, measure: str, column: str) -> int | None:
    return (reported or {}).get(measure, {}).get(column)


def _why(reported: Figures | None, given: int | None) -> str | None:
    if reported is None:
        return "not_reported"
    return "not_in_report" if given is None else None

"""The tree of units: dated rows, and what makes a set of them a tree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from libs.common.problems import Text

Kind = Literal["national", "province", "office", "officer", "other"]
ROOT = "VN"
DEEPEST = 20
"""Levels below the root; the agencies have four."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One dated row of a unit; `valid_to` is the first day out, None while in force."""

    code: str
    name: str
    kind: str
    parent: str | None
    valid_from: date
    valid_to: date | None = None
    aliases: tuple[str, ...] = ()
    codes: tuple[Mapping[str, object], ...] = field(default=(), hash=False)

    def in_force(self, day: date) -> bool:
        """Whether the row speaks about this day."""
        return self.valid_from <= day and (self.valid_to is None or day < self.valid_to)

    def overlaps(self, other: Unit) -> bool:
        """Whether two rows speak about a common day."""
        return (self.valid_to is None or other.valid_from < self.valid_to) and (
            other.valid_to is None or self.valid_from < other.valid_to
        )


def faults(
    sent: Sequence[Unit], stored: Iterable[Unit]
) -> Iterator[tuple[int, str, str, Text]]:
    """Why the sent rows would not leave a tree: (index, member, code, message)."""
    replaced = {(u.code, u.valid_from) for u in sent}
    tree: dict[str, list[Unit]] = {}
    for unit in [*(u for u in stored if (u.code, u.valid_from) not in replaced), *sent]:
        tree.setdefault(unit.code, []).append(unit)
    seen: set[tuple[str, date]] = set()
    for index, unit in enumerate(sent):
        if (unit.code, unit.valid_from) in seen:
            yield index, "", "duplicate_row", _DUPLICATE
            continue
        seen.add((unit.code, unit.valid_from))
        yield from ((index, *fault) for fault in _faults_of(unit, tree))


def _faults_of(
    unit: Unit, tree: Mapping[str, Sequence[Unit]]
) -> Iterator[tuple[str, str, Text]]:
    if unit.valid_to is not None and unit.valid_to <= unit.valid_from:
        yield "/valid_to", "bad_interval", _INTERVAL
        return
    if any(other is not unit and unit.overlaps(other) for other in tree[unit.code]):
        yield "/valid_from", "overlap", _OVERLAP
    if (unit.parent is None) != (unit.code == ROOT) or (unit.kind == "national") != (
        unit.code == ROOT
    ):
        yield "/parent", "one_root", _ONE_ROOT
    elif unit.parent is not None:
        yield from _faults_of_parent(unit, unit.parent, tree)


def _faults_of_parent(
    unit: Unit, parent: str, tree: Mapping[str, Sequence[Unit]]
) -> Iterator[tuple[str, str, Text]]:
    if parent not in tree:
        yield (
            "/parent",
            "unknown_unit",
            Text(f"Không có đơn vị «{parent}».", f"There is no unit {parent!r}."),
        )
        return
    if not any(row.in_force(unit.valid_from) for row in tree[parent]):
        yield "/parent", "parent_not_in_force", _NOT_IN_FORCE
    wrong = _wrong_way_up(
        unit, unit.valid_from, unit.valid_to or date.max, tree, frozenset()
    )
    if wrong is not None:
        yield "/parent", wrong, _WRONG_WAY_UP[wrong]


def _wrong_way_up(
    unit: Unit,
    since: date,
    until: date,
    tree: Mapping[str, Sequence[Unit]],
    passed: frozenset[str],
) -> str | None:
    """Whether the way up, on any day of these, meets a unit twice or has no end."""
    if unit.code in passed:
        return "cycle"
    if len(passed) > DEEPEST:
        return "too_deep"
    passed |= {unit.code}
    for row in tree.get(unit.parent or "", ()):
        first, end = max(since, row.valid_from), min(until, row.valid_to or date.max)
        wrong = _wrong_way_up(row, first, end, tree, passed) if first < end else None
        if wrong is not None:
            return wrong
    return None


_DUPLICATE = Text(
    "Đơn vị với ngày bắt đầu này đã có trong cùng yêu cầu.",
    "This unit and first day stand twice in one request.",
)
_INTERVAL = Text(
    "valid_to phải sau valid_from (là ngày đầu tiên không còn hiệu lực).",
    "valid_to is the first day out and must come after valid_from.",
)
_OVERLAP = Text(
    "Khoảng hiệu lực chồng lên một dòng khác của cùng mã.",
    "Its days overlap another row of the same code; end that one first.",
)
_ONE_ROOT = Text(
    "Chỉ «VN» là gốc: kind national, không có cấp trên; mọi đơn vị khác phải có.",
    "Only VN is the root (national, no parent); every other unit names a parent.",
)
_NOT_IN_FORCE = Text(
    "Đơn vị cấp trên chưa có hoặc hết hiệu lực vào ngày valid_from.",
    "The parent is not in force on valid_from.",
)
_WRONG_WAY_UP = {
    "cycle": Text("Cây đơn vị bị vòng.", "A unit would stand above itself."),
    "too_deep": Text(
        f"Cây đơn vị có quá {DEEPEST} cấp.", f"The tree has more than {DEEPEST} levels."
    ),
}

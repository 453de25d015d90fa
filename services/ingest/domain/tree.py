"""The tree of units: dated rows, and what makes a set of them a tree."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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


Rows = Mapping[str, Sequence[Unit]]
"""A tree: the dated rows of each code."""


def merged(sent: Sequence[Unit], stored: Iterable[Unit]) -> dict[str, list[Unit]]:
    """The tree to be: a sent row replaces the one of its code and first day."""
    replaced = {(u.code, u.valid_from) for u in sent}
    tree: dict[str, list[Unit]] = {}
    for unit in [*(u for u in stored if (u.code, u.valid_from) not in replaced), *sent]:
        tree.setdefault(unit.code, []).append(unit)
    return tree


def faults(
    sent: Sequence[Unit], tree: Rows, *, sees: Callable[[str], bool] = lambda _: True
) -> Iterator[tuple[int, str, str, Text]]:
    """Why the sent rows would not leave a tree: (index, member, code, message).

    `tree` is what they would leave (`merged`); messages name only units that `sees`.
    """
    sent_rows = {id(unit) for unit in sent}
    children: dict[str, list[Unit]] = {}
    for unit in (row for rows in tree.values() for row in rows):
        # A sent child has its own say of the parent that it outlives.
        if unit.parent is not None and id(unit) not in sent_rows:
            children.setdefault(unit.parent, []).append(unit)
    seen: set[tuple[str, date]] = set()
    for index, unit in enumerate(sent):
        if (unit.code, unit.valid_from) in seen:
            yield index, "", "duplicate_row", _DUPLICATE
            continue
        seen.add((unit.code, unit.valid_from))
        below = children.get(unit.code, ())
        yield from ((index, *fault) for fault in _faults_of(unit, tree, below, sees))


def _faults_of(
    unit: Unit, tree: Rows, children: Sequence[Unit], sees: Callable[[str], bool]
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
    yield from _faults_of_children(unit, tree[unit.code], children, sees)


def _faults_of_parent(
    unit: Unit, parent: str, tree: Rows
) -> Iterator[tuple[str, str, Text]]:
    if parent not in tree:
        yield (
            "/parent",
            "unknown_unit",
            Text(f"Không có đơn vị «{parent}».", f"There is no unit {parent!r}."),
        )
        return
    alone = _first_day_without(tree[parent], unit.valid_from, unit.valid_to)
    if alone == unit.valid_from:
        yield "/parent", "parent_not_in_force", _NOT_IN_FORCE
    elif alone is not None:
        yield "/valid_to", "outlives_parent", _outlives(parent, alone)
    if any(row.kind == "officer" and row.overlaps(unit) for row in tree[parent]):
        yield "/parent", "under_officer", _UNDER_OFFICER
    wrong = _wrong_way_up(
        unit, unit.valid_from, unit.valid_to or date.max, tree, frozenset()
    )
    if wrong is not None:
        yield "/parent", wrong, _WRONG_WAY_UP[wrong]


def _first_day_without(
    rows: Iterable[Unit], since: date, until: date | None
) -> date | None:
    """The first day of an interval on which none of the rows is in force."""
    day = since
    for row in sorted(rows, key=lambda row: row.valid_from):
        if row.in_force(day):
            if row.valid_to is None:
                return None
            day = row.valid_to
    return day if until is None or day < until else None


def _faults_of_children(
    unit: Unit,
    itself: Sequence[Unit],
    children: Sequence[Unit],
    sees: Callable[[str], bool],
) -> Iterator[tuple[str, str, Text]]:
    """What a row would do to what stands below it."""
    if unit.kind == "officer" and any(child.overlaps(unit) for child in children):
        yield "/kind", "under_officer", _UNDER_OFFICER
    end = unit.valid_to
    if end is None or any(row.in_force(end) for row in itself):
        return
    if unit.code == ROOT:
        yield "/valid_to", "root_ends", _ROOT_ENDS
        return
    again = min((r.valid_from for r in itself if r.valid_from > end), default=None)
    orphans = sorted(
        {
            child.code
            for child in children
            if (child.valid_to is None or child.valid_to > end)
            and (again is None or child.valid_from < again)
        }
    )
    if orphans:
        seen = [code for code in orphans if sees(code)]
        yield "/valid_to", "children_go_on", _go_on(seen, end)


def _wrong_way_up(
    unit: Unit,
    since: date,
    until: date,
    tree: Rows,
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
_UNDER_OFFICER = Text(
    "Không đơn vị nào ở dưới một chấp hành viên (kind officer).",
    "Nothing stands below an officer: name the office as parent.",
)
_ROOT_ENDS = Text(
    "«VN» không được kết thúc: hãy gửi cùng lúc dòng tiếp theo bắt đầu từ ngày đó.",
    "VN may not end: send the row that goes on from that day in the same request.",
)


def _outlives(parent: str, day: date) -> Text:
    return Text(
        f"Cấp trên «{parent}» không còn hoạt động từ {day:%d/%m/%Y}; hãy kết thúc dòng"
        " này vào ngày đó, và thêm dòng với cấp trên mới.",
        f"The parent {parent!r} is not in force from {day}: end this row that day, and"
        " add one under another parent if the unit goes on.",
    )


MOST_NAMED = 10


def _go_on(children: Sequence[str], day: date) -> Text:
    named = ", ".join(children[:MOST_NAMED])
    named += ", …" if len(children) > MOST_NAMED else ""
    return Text(
        f"Từ {day:%d/%m/%Y} vẫn còn đơn vị cấp dưới{f': {named}' if named else ''}; hãy"
        " kết thúc hoặc chuyển chúng trong cùng yêu cầu.",
        f"Units below go on from {day}{f': {named}' if named else ''}; end or move them"
        " in the same request.",
    )


_WRONG_WAY_UP = {
    "cycle": Text("Cây đơn vị bị vòng.", "A unit would stand above itself."),
    "too_deep": Text(
        f"Cây đơn vị có quá {DEEPEST} cấp.", f"The tree has more than {DEEPEST} levels."
    ),
}

"""Reorganisations: which units became which, and what makes one believable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from libs.common.problems import Text
from services.ingest.domain.tree import Unit


@dataclass(frozen=True, slots=True)
class Reorganisation:
    """Units that end, units that begin the same day, and the deciding document.

    `shares` says what part of a split unit's earlier figures each successor takes
    over; without them a split cannot be compared with the time before it.
    """

    effective: date
    predecessors: tuple[str, ...]
    successors: tuple[str, ...]
    document: Mapping[str, object]
    shares: Mapping[str, Decimal] | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """One unit became another on a day, or took over a share of it."""

    predecessor: str
    successor: str
    effective: date
    share: Decimal | None = None


def faults(
    change: Reorganisation,
    tree: Mapping[str, Sequence[Unit]],
    stored: Sequence[Link] = (),
) -> Iterator[tuple[str, str, Text]]:
    """Why the change does not fit the tree, or another: (pointer, code, message)."""
    yield from _misfits(change, tree)
    if change.shares is not None:
        yield from _misshared(change, change.shares)
    yield from _overlaps(change, stored)


def _misshared(
    change: Reorganisation, shares: Mapping[str, Decimal]
) -> Iterator[tuple[str, str, Text]]:
    if len(change.predecessors) > 1:
        yield "/shares", "shares_of_many", _OF_MANY
    if set(shares) != set(change.successors):
        yield "/shares", "shares_incomplete", _INCOMPLETE
    elif sum(shares.values()) != 1:
        yield "/shares", "shares_not_one", _not_one(sum(shares.values(), Decimal()))


def _overlaps(
    change: Reorganisation, stored: Sequence[Link]
) -> Iterator[tuple[str, str, Text]]:
    """A unit ends, or begins, in one reorganisation of a day and no other."""
    for link in stored:
        known = (
            link.predecessor in change.predecessors,
            link.successor in change.successors,
        )
        if link.effective != change.effective or any(known) == all(known):
            continue
        side, code = (
            ("from", link.predecessor) if known[0] else ("into", link.successor)
        )
        codes = change.predecessors if known[0] else change.successors
        yield f"/{side}/{codes.index(code)}", "overlap", _overlap(link)


def _overlap(link: Link) -> Text:
    return Text(
        f"Đã ghi nhận: «{link.predecessor}» thành «{link.successor}» cùng ngày; hãy gửi"
        " một thay đổi gồm đủ các đơn vị.",
        f"{link.predecessor!r} became {link.successor!r} on that day already; send one"
        " change with all units of both.",
    )


def reaches_back(
    code: str,
    day: date,
    tree: Mapping[str, Sequence[Unit]],
    links: Mapping[str, Sequence[Link]],
) -> bool:
    """Whether a unit has predecessors, near or far, that stood on a day before it."""
    left, seen = [code], {code}
    while left:
        for link in links.get(left.pop(), ()):
            if link.effective <= day or link.predecessor in seen:
                continue
            if any(row.in_force(day) for row in tree.get(link.predecessor, ())):
                return True
            seen.add(link.predecessor)
            left.append(link.predecessor)
    return False


def _misfits(
    change: Reorganisation, tree: Mapping[str, Sequence[Unit]]
) -> Iterator[tuple[str, str, Text]]:
    day, eve = change.effective, change.effective - timedelta(days=1)
    sides = (("from", change.predecessors), ("into", change.successors))
    for side, codes in sides:
        wanted = (True, False) if side == "from" else (False, True)
        for index, code in enumerate(codes):
            place = f"/{side}/{index}"
            if codes.index(code) != index:
                yield place, "duplicate_row", _TWICE
            elif code not in tree:
                yield place, "unknown_unit", _unknown(code)
            elif (_stood(tree[code], eve), _stood(tree[code], day)) != wanted:
                yield place, *_MISFIT[side]


def contradicted(
    link: Link, tree: Mapping[str, Sequence[Unit]]
) -> Iterator[tuple[str, str]]:
    """The (code, member) of a recorded link's units that would belie it."""
    change = Reorganisation(link.effective, (link.predecessor,), (link.successor,), {})
    for pointer, _, _ in _misfits(change, tree):
        if pointer.startswith("/from"):
            yield link.predecessor, "/valid_to"
        else:
            yield link.successor, "/valid_from"


def meets(unit: Unit, day: date) -> bool:
    """Whether a row speaks of the day of a change, or of its eve."""
    return unit.in_force(day) or unit.in_force(day - timedelta(days=1))


def contradiction(document: Mapping[str, object], day: date) -> Text:
    """What is said of a row that a recorded reorganisation does not bear."""
    number = document.get("number")
    return Text(
        f"Trái với việc sắp xếp đã ghi nhận theo văn bản {number}, hiệu lực từ"
        f" {day:%d/%m/%Y}: đơn vị cũ hết hiệu lực, đơn vị mới bắt đầu đúng ngày đó.",
        f"It contradicts the reorganisation recorded by {number}, effective {day}: its"
        " predecessors end and its successors begin on that day.",
    )


def _stood(rows: Sequence[Unit], day: date) -> bool:
    return any(row.in_force(day) for row in rows)


_OF_MANY = Text(
    "Tỷ lệ chỉ dùng khi một đơn vị được tách; hãy gửi mỗi đơn vị tách một lần.",
    "Shares belong to one unit that is split; send one change for each.",
)
_INCOMPLETE = Text(
    "shares phải có đúng một tỷ lệ cho mỗi đơn vị trong into.",
    "Give one share for each unit of `into`, and no other.",
)


def _not_one(total: Decimal) -> Text:
    return Text(
        f"Các tỷ lệ cộng lại là {total}, phải bằng đúng 1.",
        f"The shares add up to {total}; they must add up to exactly 1.",
    )


_TWICE = Text("Đơn vị này đã có trong danh sách.", "This unit stands here twice.")
_MISFIT = {
    "from": (
        "does_not_end",
        Text(
            "Đơn vị cũ phải hoạt động đến hết ngày trước ngày hiệu lực (valid_to).",
            "A predecessor is in force until that day: set its valid_to to it.",
        ),
    ),
    "into": (
        "does_not_begin",
        Text(
            "Đơn vị mới phải bắt đầu đúng ngày hiệu lực (valid_from).",
            "A successor is a new unit that begins that day (valid_from).",
        ),
    ),
}


def _unknown(code: str) -> Text:
    return Text(f"Không có đơn vị «{code}».", f"There is no unit {code!r}.")

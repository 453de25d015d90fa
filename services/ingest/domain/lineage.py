"""Reorganisations: which units became which, and what makes one believable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from libs.common.problems import Text
from services.ingest.domain.tree import Unit


@dataclass(frozen=True, slots=True)
class Reorganisation:
    """Units that end, units that begin the same day, and the deciding document."""

    effective: date
    predecessors: tuple[str, ...]
    successors: tuple[str, ...]
    document: Mapping[str, object]


def faults(
    change: Reorganisation, tree: Mapping[str, Sequence[Unit]]
) -> Iterator[tuple[str, str, Text]]:
    """Why the change does not fit the tree: (pointer, code, message)."""
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


def _stood(rows: Sequence[Unit], day: date) -> bool:
    return any(row.in_force(day) for row in rows)


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

"""A report, and what makes it acceptable."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from libs.common.figures import LARGEST_COUNT, published
from libs.common.problems import MOST_ERRORS, Fault, Text

COLUMNS = (
    "carried_over",
    "newly_accepted",
    "total_accepted",
    "entrusted",
    "withdrawn",
    "pulled_up",
    "to_enforce",
    "enforceable",
    "done",
    "completed",
    "terminated",
    "reduced",
    "in_progress",
    "postponed_suspended",
    "not_enforceable",
    "carried_forward",
    "separate_ledger",
    "enforceable_over_1y",
    "resolved",
    "resolved_in_time",
)
"""The columns of the statutory forms (Circular 06/2019/TT-BTP), in storage order;
the last two belong to what is resolved instead of enforced."""

RESOLVED = frozenset(("carried_over", "newly_accepted", "resolved", "resolved_in_time"))
_ENFORCED = frozenset(COLUMNS) - {"resolved", "resolved_in_time"}
COLUMNS_OF = {
    "cases": _ENFORCED - {"reduced"},
    "money": _ENFORCED,
    "complaints": RESOLVED,
    "administrative": RESOLVED,
    "decisions": RESOLVED,
    "guidance": RESOLVED,
}
"""Which columns a measure has: việc, tiền; khiếu nại, án hành chính, quyết định,
hướng dẫn nghiệp vụ (the duties of Decision 1229/QĐ-TCTHADS)."""
_FOREIGN = {
    measure: tuple(i for i, name in enumerate(COLUMNS) if name not in its)
    for measure, its in COLUMNS_OF.items()
}

MOST_ROWS = 1000
"""Rows that one unit may have in one period: measures times categories, amply."""

_RATE = re.compile(r"(100(\.0{1,2})?|[0-9]{1,2}(\.[0-9]{1,2})?)")
_DONE, _ENFORCEABLE = COLUMNS.index("done"), COLUMNS.index("enforceable")
_COMPLETED, _TERMINATED = COLUMNS.index("completed"), COLUMNS.index("terminated")
_REDUCED = COLUMNS.index("reduced")


class Row(NamedTuple):
    """One row of figures: `counts` in the order of COLUMNS, None where unknown.

    A tuple, for there are 21 000 of them in a national month.
    """

    measure: str
    category: str
    counts: tuple[int | None, ...]
    published_rate: Decimal | None
    removed: bool = False

    @property
    def cell(self) -> tuple[str, str]:
        """Which row of its report it is."""
        return self.measure, self.category

    @property
    def has_past(self) -> bool:
        """Whether later months are held against it: rows of all cases and all money."""
        return self.category == "all" and self.measure in ("cases", "money")


@dataclass(frozen=True, slots=True)
class Source:
    """Where figures were read; `illustrative` marks made-up samples."""

    document: str | None = None
    date: date | None = None
    illustrative: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """The figures of one unit for one period, as they arrived."""

    index: int
    unit: str
    period: str
    rows: tuple[Row, ...]
    source: Source = Source()
    form: str | None = None
    reason: str | None = None


Stored = tuple[bool | int | Decimal | None, ...]
"""A row as it stands, to compare a new one with: illustrative, rate, counts."""


def rate_of(text: str) -> Decimal | None:
    """A published rate from its text; None when it has not the form of one."""
    return Decimal(text) if _RATE.fullmatch(text) else None


def done_of(row: Row) -> int | None:
    """What counts as done: given, else the sum of its parts, else `completed`.

    Without `terminated` beside it, `completed` is read as inclusive. `reduced`
    belongs to money only and adds nothing where a form does not have it.
    """
    counts = row.counts
    if counts[_DONE] is not None:
        return counts[_DONE]
    return _sum_of_parts(row)


def _sum_of_parts(row: Row) -> int | None:
    completed, terminated = row.counts[_COMPLETED], row.counts[_TERMINATED]
    if completed is None or terminated is None:
        return completed
    return completed + terminated + (row.counts[_REDUCED] or 0)


def faults_of_row(row: Row) -> Iterable[tuple[str, str, Text]]:
    """Why a row cannot be accepted: (member, code, message)."""
    return () if _is_sound(row) else _faults(row)


def _is_sound(row: Row) -> bool:
    """Whether nothing can be wrong with it, as with nearly every row of a month."""
    measure, _, counts, rate, removed = row
    if removed or rate is not None:
        return False
    for column in _FOREIGN[measure]:
        if counts[column] is not None:
            return False
    done, parts = counts[_DONE], _sum_of_parts(row)
    if done is None:
        done = parts
    elif parts is not None:
        return False
    enforceable = counts[_ENFORCEABLE]
    return done is not None and enforceable is not None and done <= enforceable


def _faults(row: Row) -> Iterator[tuple[str, str, Text]]:
    if row.removed:
        if row.published_rate is not None or _has_counts(row):
            yield "withdrawn", "withdrawn_with_figures", _WITHDRAWN
        return
    if row.published_rate is None and not _has_counts(row):
        yield "", "empty_row", _EMPTY
        return
    for column in _FOREIGN[row.measure]:
        if row.counts[column] is not None:
            name = COLUMNS[column]
            yield name, "not_of_this_measure", _not_of(name, row.measure)
    yield from _contradictions(row)


def _has_counts(row: Row) -> bool:
    return row.counts.count(None) < len(row.counts)


def _contradictions(row: Row) -> Iterator[tuple[str, str, Text]]:
    given, parts = row.counts[_DONE], _sum_of_parts(row)
    whole = row.counts[_TERMINATED] is not None
    # A lone `completed` may or may not hold the terminated cases.
    if (
        given is not None
        and parts is not None
        and (given < parts or (whole and given != parts))
    ):
        yield "done", "done_contradicts_parts", _contradicts_parts(given, parts)
    done, enforceable = done_of(row), row.counts[_ENFORCEABLE]
    if done is not None and done > LARGEST_COUNT:
        yield "completed", "out_of_range", _SUM_TOO_LARGE
    if enforceable == 0 and row.published_rate is not None:
        rate = row.published_rate
        yield (
            "published_rate",
            "rate_contradicts_counts",
            _contradicts_counts(rate, None),
        )
        return
    if done is None or enforceable is None:
        return
    if done > enforceable:
        member = "done" if given is not None else "completed"
        yield member, "done_exceeds_enforceable", _exceeds(done, enforceable)
    elif row.published_rate is not None:
        computed = published(done, enforceable)
        if computed != row.published_rate:
            yield (
                "published_rate",
                "rate_contradicts_counts",
                _contradicts_counts(row.published_rate, computed),
            )


def in_dong(row: Row) -> Row:
    """The same row of money, sent in thousand đồng, in whole đồng."""
    counts = tuple(None if c is None else c * 1000 for c in row.counts)
    return Row(row.measure, row.category, counts, row.published_rate, row.removed)


def too_large(row: Row) -> Iterator[str]:
    """Columns that no client could read exactly."""
    for name, count in zip(COLUMNS, row.counts, strict=True):
        if count is not None and count > LARGEST_COUNT:
            yield name


def changes(
    report: Report, stored: Mapping[tuple[str, str], Stored]
) -> tuple[Row, ...]:
    """The rows that differ from what stands; rows not mentioned stay as they are."""
    illustrative = report.source.illustrative
    changed: list[Row] = []
    for row in report.rows:
        measure, category, counts, rate, removed = row
        before = stored.get((measure, category))
        if (
            removed == (before is not None)
            if before is None or removed
            else (illustrative, rate, *counts) != before
        ):
            changed.append(row)
    return tuple(changed)


Tell = Callable[[], Fault]
"""Puts a fault in words, if it is to be listed."""


@dataclass(slots=True)
class Odd:
    """What is taken and odd: the first MOST_ERRORS in words, and how many more.

    A national month may have one for every row; words for all of them would take
    longer than the month itself.
    """

    told: list[Fault] = field(default_factory=list)
    more: int = 0

    @property
    def is_full(self) -> bool:
        """Whether from here on it is only counted."""
        return len(self.told) >= MOST_ERRORS

    def note(self, tell: Tell) -> None:
        """Put it in words, or only count it."""
        if len(self.told) < MOST_ERRORS:
            self.told.append(tell())
        else:
            self.more += 1

    def note_all(self, tells: Sequence[Tell]) -> None:
        """The same for several."""
        room = max(0, MOST_ERRORS - len(self.told))
        self.told += [tell() for tell in tells[:room]]
        self.more += len(tells[room:])


@dataclass(slots=True)
class Intake:
    """What a body holds: acceptable reports, faults of the others, and what is odd."""

    reports: list[Report] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    odd: Odd = field(default_factory=Odd)


def fault(index: int, member: str, code: str, message: Text) -> Fault:
    """A fault in one report of a body."""
    return Fault(f"/reports/{index}{member}", code, message)


_SUM_TOO_LARGE = Text(
    "Tổng các phần lớn hơn 2^53 − 1.", "Its parts add up to more than 2^53 − 1."
)
_WITHDRAWN = Text(
    "Dòng rút lại thì không được kèm số liệu.",
    "A withdrawn row carries no figures; send them without `withdrawn`.",
)
_EMPTY = Text(
    "Dòng không có số liệu: cần số đếm hoặc published_rate.",
    "An empty row: send counts or a published_rate.",
)


def _not_of(column: str, measure: str) -> Text:
    its = ", ".join(name for name in COLUMNS if name in COLUMNS_OF[measure])
    return Text(
        f"«{column}» không có ở chỉ số {measure}; các cột dùng được: {its}.",
        f"`{column}` is no column of {measure}, which has {its}.",
    )


def _contradicts_parts(given: int, parts: int) -> Text:
    return Text(
        f"done = {given} nhưng các phần cộng lại là {parts}.",
        f"`done` is {given} but its parts add up to {parts}.",
    )


def _exceeds(done: int, enforceable: int) -> Text:
    return Text(
        f"Số xong ({done}) lớn hơn số có điều kiện thi hành ({enforceable}).",
        f"Done ({done}) exceeds enforceable ({enforceable}).",
    )


def _contradicts_counts(rate: Decimal, computed: Decimal | None) -> Text:
    return Text(
        f"published_rate {rate} không khớp số đếm (tính ra {computed}).",
        f"published_rate {rate} disagrees with the counts, which give {computed}.",
    )

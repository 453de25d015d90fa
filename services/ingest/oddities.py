"""What is odd beside what stands: it is taken, and the receipt says so."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter

from libs.common import lenses
from libs.common.database import Connection
from libs.common.periods import Period
from libs.common.problems import Fault, Text
from services.ingest import store
from services.ingest.domain.reports import Odd, fault
from services.ingest.store import Changed

Cuts = Mapping[str, Sequence[Period]]
"""The cuts of a working year by unit, the nearest first."""


_category = attrgetter("category")


async def undeclared(connection: Connection, changed: Sequence[Changed]) -> Odd:
    """Categories that nobody declared: taken as they are, but often a slip."""
    used = {name for one in changed for name in set(map(_category, one.rows))}
    unknown = used - await store.declared_categories(connection)
    odd = Odd()
    for one in changed if unknown else ():
        index, rows = one.report.index, one.report.rows
        if odd.is_full:
            odd.more += sum(map(unknown.__contains__, map(_category, rows)))
            continue
        for number, row in enumerate(rows):
            if row.category in unknown:
                odd.note(partial(_undeclared, index, number, row.category))
    return odd


async def fallen(
    connection: Connection,
    changed: Sequence[Changed],
    reported: Sequence[str],
    batch: str,
    *,
    dry_run: bool,
) -> list[Odd]:
    """Cumulative counts that fall within a working year; a correction is as it is.

    Each row is held against the nearest cut before it, and after it, in which its own
    unit has that row with counts: what others report in between is nothing to it.
    """
    if dry_run:
        await lenses.as_proposed(connection, batch)
    by_period: dict[Period, list[Changed]] = defaultdict(list)
    for one in changed:
        if not one.correction:
            by_period[Period.parse(one.report.period)].append(one)
    known = {*map(Period.parse, reported)}
    found: list[Odd] = []
    for period, some in by_period.items():
        year = [
            cut
            for cut in known | by_period.keys()
            if cut.working_year == period.working_year and cut != period
        ]
        cuts = await _cuts_of(connection, year, some, by_period)
        # A proposed row has its revision only in the lens.
        whole = not dry_run and all(len(c.rows) == len(c.report.rows) for c in some)
        for earlier in (True, False):
            side = {unit: _side(own, period, earlier) for unit, own in cuts.items()}
            found += await _compared(
                connection, period, some, side, earlier=earlier, whole=whole
            )
    return found


async def _cuts_of(
    connection: Connection,
    year: Sequence[Period],
    changed: Sequence[Changed],
    sent: Mapping[Period, Sequence[Changed]],
) -> dict[str, set[Period]]:
    """The other cuts of the year that each unit reported, or sends with this body."""
    cuts: dict[str, set[Period]] = {one.report.unit: set() for one in changed}
    if year:
        codes = [cut.code for cut in year]
        for unit, code in await store.cuts_reported(connection, codes, list(cuts)):
            cuts[unit].add(Period(code))
    for cut in year:
        for one in sent.get(cut, ()):
            if one.report.unit in cuts:
                cuts[one.report.unit].add(cut)
    return cuts


def _side(cuts: set[Period], period: Period, earlier: bool) -> list[Period]:
    if earlier:
        before = [cut for cut in cuts if cut.end < period.end]
        return sorted(before, key=lambda cut: cut.end, reverse=True)
    return sorted((c for c in cuts if c.end > period.end), key=lambda cut: cut.end)


async def _compared(
    connection: Connection,
    period: Period,
    changed: Sequence[Changed],
    cuts: Cuts,
    *,
    earlier: bool,
    whole: bool,
) -> list[Odd]:
    """Hold every row against its nearest cut, then those it lacks against the next.

    `whole` where each report changed in all of its rows.
    """
    reports = {one.report.unit: one.report for one in changed}
    revisions = {one.report.unit: one.revision for one in changed}
    waiting = {unit: report for unit, report in reports.items() if cuts[unit]}
    numbers: dict[str, dict[tuple[str, str], int]] = {}
    lacked: set[tuple[str, str, str]] | None = None
    found: list[Odd] = []
    step = 0
    while waiting:  # mostly once: the nearest cut of a unit has all its rows
        at = {unit: cuts[unit][step] for unit in waiting}
        codes = {unit: cut.code for unit, cut in at.items()}
        rows = await store.held_against(
            connection, period.code, codes, revisions, earlier=earlier, whole=whole
        )
        step += 1
        odd = Odd()
        lacking: set[tuple[str, str, str]] = set()
        for unit, measure, category, *counts, is_lacking in rows:
            if lacked is not None and (unit, measure, category) not in lacked:
                continue
            if unit not in numbers:
                sent = enumerate(waiting[unit].rows)
                numbers[unit] = {row.cell: number for number, row in sent}
            number = numbers[unit].get((measure, category))
            if number is None:
                continue
            if not is_lacking:
                held = _Held(period, at[unit], earlier, odd)
                held.against(waiting[unit].index, number, counts)
            elif step < len(cuts[unit]):
                lacking.add((unit, measure, category))
        found.append(odd)
        lacked = lacking
        waiting = {unit: waiting[unit] for unit, _, _ in lacking}
    return found


_MANY = len(store.CUMULATIVE)
_CONSTANT = store.CUMULATIVE.index("carried_over")


@dataclass(frozen=True, slots=True)
class _Held:
    """A period's figures, held against one cut of the same year."""

    period: Period
    cut: Period
    earlier: bool
    odd: Odd

    def against(self, index: int, number: int, counts: Sequence[int | None]) -> None:
        """Note what fell in a row: its counts here, and then those of the cut."""
        for column in range(_MANY):
            here, there = counts[column], counts[_MANY + column]
            if here == there or here is None or there is None:
                continue
            if column != _CONSTANT and (here < there) is not self.earlier:
                continue
            if self.odd.is_full:
                self.odd.more += 1
            else:
                place = (index, number, column)
                self.odd.note(partial(self._fall, *place, (here, there)))

    def _fall(
        self, index: int, number: int, column: int, pair: tuple[int, int]
    ) -> Fault:
        name, constant = store.CUMULATIVE[column], column == _CONSTANT
        both = [(pair[0], self.period.code), (pair[1], self.cut.code)]
        (before, first), (behind, last) = both[::-1] if self.earlier else both
        return fault(
            index,
            f"/figures/{number}/{name}",
            "not_constant" if constant else "fell",
            Text(
                f"{name}: {before} ở kỳ {first}, {behind} ở kỳ {last}; trong một năm"
                f" {'không đổi' if constant else 'lũy kế không giảm'}.",
                f"{name} is {before} in {first} and {behind} in {last}; within a year"
                f" it {'is constant' if constant else 'never falls'}.",
            ),
        )


def _undeclared(index: int, number: int, name: str) -> Fault:
    return fault(
        index,
        f"/figures/{number}/category",
        "undeclared_category",
        Text(
            f"Loại «{name}» chưa được khai báo (PUT /v1/categories); vẫn được ghi"
            " nhận.",
            f"Nobody declared the category {name!r} (PUT /v1/categories); it is kept.",
        ),
    )

"""What is odd beside what stands: it is taken, and the receipt says so."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from libs.common import lenses
from libs.common.database import Connection
from libs.common.periods import Period
from libs.common.problems import MOST_ERRORS, Fault, Text
from services.ingest import store
from services.ingest.domain.reports import COLUMNS, Report, Row, fault
from services.ingest.store import Changed

Cuts = Mapping[str, Sequence[Period]]
"""The cuts of a working year by unit, the nearest first."""


async def undeclared(connection: Connection, changed: Sequence[Changed]) -> list[Fault]:
    """Categories that nobody declared: taken as they are, but often a slip."""
    used = {row.category for one in changed for row in one.rows}
    unknown = used - await store.declared_categories(connection)
    if not unknown:
        return []
    texts = {name: _undeclared(name) for name in unknown}
    found = (
        fault(
            one.report.index,
            f"/figures/{number}/category",
            "undeclared_category",
            texts[row.category],
        )
        for one in changed
        for number, row in enumerate(one.report.rows)
        if row.category in unknown
    )
    return list(islice(found, MOST_ERRORS))


async def fallen(
    connection: Connection, changed: Sequence[Changed], batch: str, *, dry_run: bool
) -> list[Fault]:
    """Cumulative counts that fall within a working year; a correction is as it is.

    Each row is held against the nearest cut before it, and after it, in which its own
    unit has that row with counts: what others report in between is nothing to it.
    """
    if dry_run:
        await lenses.as_proposed(connection, batch)
    by_period: dict[Period, list[Report]] = defaultdict(list)
    for one in changed:
        if not one.correction:
            by_period[Period.parse(one.report.period)].append(one.report)
    reported = {*map(Period.parse, await store.periods_with_reports(connection))}
    found: list[Fault] = []
    for period, reports in by_period.items():
        year = [
            cut
            for cut in reported | by_period.keys()
            if cut.working_year == period.working_year and cut != period
        ]
        cuts = await _cuts_of(connection, year, reports, by_period)
        for earlier in (True, False):
            side = {unit: _side(own, period, earlier) for unit, own in cuts.items()}
            found += await _compared(connection, period, reports, side, earlier)
    return found[:MOST_ERRORS]


async def _cuts_of(
    connection: Connection,
    year: Sequence[Period],
    reports: Sequence[Report],
    sent: Mapping[Period, Sequence[Report]],
) -> dict[str, set[Period]]:
    """The other cuts of the year that each unit reported, or sends with this body."""
    cuts: dict[str, set[Period]] = {report.unit: set() for report in reports}
    if year:
        codes = [cut.code for cut in year]
        for unit, code in await store.cuts_reported(connection, codes, list(cuts)):
            cuts[unit].add(Period(code))
    for cut in year:
        for report in sent.get(cut, ()):
            if report.unit in cuts:
                cuts[report.unit].add(cut)
    return cuts


def _side(cuts: set[Period], period: Period, earlier: bool) -> list[Period]:
    if earlier:
        before = [cut for cut in cuts if cut.end < period.end]
        return sorted(before, key=lambda cut: cut.end, reverse=True)
    return sorted((c for c in cuts if c.end > period.end), key=lambda cut: cut.end)


_Sent = tuple[Report, int, Row]


async def _compared(
    connection: Connection,
    period: Period,
    reports: Sequence[Report],
    cuts: Cuts,
    earlier: bool,
) -> list[Fault]:
    """Hold every row against its nearest cut, then those it lacks against the next."""
    waiting: dict[tuple[str, str, str], _Sent] = {
        (report.unit, row.measure, row.category): (report, number, row)
        for report in reports
        if cuts[report.unit]
        for number, row in enumerate(report.rows)
        if any(row.counts[column] is not None for column in _CUMULATIVE)
    }
    found: list[tuple[_Sent, Fault]] = []
    step = 0
    while waiting:  # mostly once: the nearest cut of a unit has all its rows
        at = {
            unit: cuts[unit][step] for unit, _, _ in waiting if step < len(cuts[unit])
        }
        waiting = {cell: sent for cell, sent in waiting.items() if cell[0] in at}
        categories = {category for _, _, category in waiting}
        near = {cut.code for cut in at.values()}
        for unit, measure, category, code, *counts in await store.cumulative_counts(
            connection, list(near), list(at), list(categories)
        ):
            if at[unit].code == code and any(count is not None for count in counts):
                sent = waiting.pop((unit, measure, category), None)
                if sent is not None:
                    found += (
                        (sent, one)
                        for one in _falls(sent, counts, period, at[unit], earlier)
                    )
        step += 1
    found.sort(key=lambda pair: (pair[0][0].index, pair[0][1]))
    return [one for _, one in found]


_CUMULATIVE = tuple(COLUMNS.index(name) for name in store.CUMULATIVE)


def _falls(
    sent: _Sent,
    counts: Sequence[int | None],
    period: Period,
    cut: Period,
    earlier: bool,
) -> Iterator[Fault]:
    report, number, row = sent
    for place, name, other in zip(_CUMULATIVE, store.CUMULATIVE, counts, strict=True):
        own = row.counts[place]
        if own is None or other is None or own == other:
            continue
        constant = name == "carried_over"
        if not constant and (own > other) is earlier:
            continue
        first, last = (other, own) if earlier else (own, other)
        before, behind = (cut, period) if earlier else (period, cut)
        yield fault(
            report.index,
            f"/figures/{number}/{name}",
            "not_constant" if constant else "fell",
            _fell(name, (first, before), (last, behind)),
        )


def _fell(column: str, first: tuple[int, Period], last: tuple[int, Period]) -> Text:
    (before, earlier), (behind, later) = first, last
    constant = column == "carried_over"
    return Text(
        f"{column}: {before} ở kỳ {earlier.code}, {behind} ở kỳ {later.code}; trong"
        f" một năm {'không đổi' if constant else 'lũy kế không giảm'}.",
        f"{column} is {before} in {earlier.code} and {behind} in {later.code};"
        f" within a year it {'is constant' if constant else 'never falls'}.",
    )


def _undeclared(name: str) -> Text:
    return Text(
        f"Loại «{name}» chưa được khai báo (PUT /v1/categories); vẫn được ghi nhận.",
        f"Nobody declared the category {name!r} (PUT /v1/categories); it is kept.",
    )

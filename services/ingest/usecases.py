"""What ingest does: one function for each thing, each in one transaction."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from libs.common import clock, lenses, newcomers
from libs.common.database import Connection, Database
from libs.common.database import Row as Record
from libs.common.events import (
    FIGURES_CHANGED,
    FIGURES_PROPOSED,
    REPORTS_CHANGED,
    News,
    publish,
)
from libs.common.ids import new_id
from libs.common.keys import Principal
from libs.common.periods import Period
from libs.common.problems import (
    MOST_ERRORS,
    Fault,
    Text,
    invalid,
    unknown_unit_in_body,
)
from libs.common.upserts import Upserted
from services.ingest import oddities, store
from services.ingest.domain import lineage
from services.ingest.domain import tree as trees
from services.ingest.domain.lineage import Link, Reorganisation, reaches_back
from services.ingest.domain.names import nearest
from services.ingest.domain.reports import (
    MOST_ROWS,
    Intake,
    Odd,
    Report,
    Row,
    Stored,
    changes,
    fault,
)
from services.ingest.domain.tree import Unit
from services.ingest.store import Changed
from services.ingest.timetable import store as timetable

MOST_HINTS = 10
"""Unknown units answered with the nearest names: comparing with all takes time."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a body; the counts are reports, or case records.

    Warnings are the first MOST_ERRORS; the last of them says how many more there are.
    """

    batch: str
    accepted: int
    unchanged: int
    rejected: tuple[Fault, ...]
    warnings: tuple[Fault, ...] = ()


async def put_units(
    database: Database, principal: Principal, units: Sequence[Unit]
) -> Upserted:
    """Upsert rows of the tree and queue every period whose tree they touch."""
    async with database.transaction() as connection:
        await store.one_writer(connection, ["tree"])
        stored = await store.tree(connection)
        # First what the key may not see: other faults would speak of it.
        outside = _outside(principal, units, {u.code for u in stored})
        if outside:
            raise invalid(outside)
        tree = trees.merged(units, stored)
        found = trees.faults(units, tree, sees=principal.sees)
        faults = [
            Fault(f"/units/{index}{member}", code, message)
            for index, member, code, message in found
        ]
        faults += await _belied(connection, units, tree)
        if faults:
            raise invalid(faults)
        before = {(u.code, u.valid_from): u for u in stored}
        changed = [u for u in units if before.get((u.code, u.valid_from)) != u]
        created = sum((u.code, u.valid_from) not in before for u in changed)
        now = await clock.business_now(connection)
        await store.put_units(connection, changed, now)
        first = min((u.valid_from for u in changed), default=None)
        await _queue_from(connection, first)
    return Upserted(
        created=created,
        updated=len(changed) - created,
        unchanged=len(units) - len(changed),
    )


async def _belied(
    connection: Connection, units: Sequence[Unit], tree: trees.Rows
) -> list[Fault]:
    """Sent rows by which a recorded reorganisation would no longer be true."""
    sent: dict[str, list[int]] = defaultdict(list)
    for number, unit in enumerate(units):
        sent[unit.code].append(number)
    faults = []
    for link, document in await store.decided_links(connection, list(sent)):
        text = lineage.contradiction(document, link.effective)
        for code, member in lineage.contradicted(link, tree):
            rows = sent.get(code, ())
            near = [n for n in rows if lineage.meets(units[n], link.effective)]
            faults += [
                Fault(f"/units/{number}{member}", "contradicts_lineage", text)
                for number in (near or rows)[:1]
            ]
    return list(dict.fromkeys(faults))


def _outside(
    principal: Principal, units: Sequence[Unit], known: set[str]
) -> list[Fault]:
    """A steward moves only what lies in its subtree, below what lies in it."""
    faults, sent = [], {u.code for u in units}
    for index, unit in enumerate(units):
        if unit.code in known and not principal.sees(unit.code):
            faults.append(unknown_unit_in_body(f"/units/{index}/code", unit.code))
        parent = unit.parent
        if parent and parent not in sent - known and not principal.sees(parent):
            faults.append(unknown_unit_in_body(f"/units/{index}/parent", parent))
    return faults


async def reorganise(
    database: Database, principal: Principal, change: Reorganisation
) -> Upserted:
    """Keep which units became which; reported rows are never touched."""
    async with database.transaction() as connection:
        await store.one_writer(connection, ["tree"])
        rows = _by_code(await store.tree(connection), principal)
        stored = await store.links(connection)
        faults = [
            Fault(pointer, code, message)
            for pointer, code, message in lineage.faults(change, rows, stored)
        ]
        if faults:
            raise invalid(faults)
        now = await clock.business_now(connection)
        kept = await store.keep_lineage(connection, change, principal.key, now)
        await _queue_from(connection, change.effective if kept else None)
    known = {(one.predecessor, one.successor, one.effective) for one in stored}
    pairs = [(p, s) for p in change.predecessors for s in change.successors]
    created = sum((*pair, change.effective) not in known for pair in pairs)
    return Upserted(
        created=created, updated=kept - created, unchanged=len(pairs) - kept
    )


def _by_code(
    units: Sequence[Unit], principal: Principal | None
) -> dict[str, list[Unit]]:
    rows: dict[str, list[Unit]] = defaultdict(list)
    for unit in units:
        if principal is None or principal.sees(unit.code):
            rows[unit.code].append(unit)
    return rows


async def _queue_from(connection: Connection, first: date | None) -> None:
    """Queue every reported period that ends on or after a day."""
    if first is None:
        return
    await newcomers.look(connection)
    periods = await store.periods_with_reports(connection)
    touched = [p for p in periods if Period.parse(p).end >= first]
    await publish(
        connection, [News(FIGURES_CHANGED, p, None, None) for p in sorted(touched)]
    )


async def record(
    database: Database,
    principal: Principal,
    named: Mapping[str, Collection[str]],
    check: Callable[[], Intake],
    *,
    accept_valid: bool,
    request: str | None,
    dry_run: bool = False,
) -> Receipt:
    """Store what changed and announce it; repeating the same values is harmless.

    `named` are the units of each period in the body, and `check` says which of its
    reports are good. With `accept_valid` these are kept; otherwise any fault refuses
    the whole body. A report stands or falls whole. A dry run goes the same way, with
    its rows laid beside what stands.
    """
    async with database.writing() as connection:
        await store.one_writer(connection, named)
        # In a thread, for a large body must not hold up everyone else's answers; and
        # what is read meanwhile costs no time of its own.
        checking = asyncio.create_task(asyncio.to_thread(check))
        standing = await _standing_of(connection, named)
        found = await checking
        now = await clock.business_now(connection)
        good, misplaced = await _placed(connection, principal, found.reports, now)
        changed, refused = await _changed(connection, good, standing)
        kept = len(good) - len({report_index(fault) for fault in refused})
        faults = sorted([*found.faults, *misplaced, *refused], key=report_index)
        if faults and not (accept_valid and kept):
            raise invalid(faults)
        batch = new_id("bat")
        await store.keep_batch(
            connection,
            batch,
            key=principal.key,
            request=request,
            now=now,
            changed=bool(changed),
            dry_run=dry_run,
        )
        if dry_run:
            await store.propose(connection, changed, batch=batch, now=now)
        else:
            await store.keep_revisions(
                connection, changed, batch=batch, author=principal.key, now=now
            )
            await newcomers.come(connection, {r.report.period for r in changed}, batch)
        reported = await store.periods_with_reports(connection)
        noted = [
            found.odd,
            await oddities.undeclared(connection, changed),
            *await oddities.fallen(
                connection, changed, reported, batch, dry_run=dry_run
            ),
        ]
        await publish(
            connection, _news(changed, reported, batch, request, now, dry_run)
        )
    return Receipt(
        batch,
        len(changed),
        kept - len(changed),
        tuple(faults),
        _listed(noted),
    )


Standing = tuple[Mapping[str, int], Mapping[str, Mapping[tuple[str, str], Stored]]]
"""The latest revision of each unit's report, and the rows that stand."""


async def _standing_of(
    connection: Connection, named: Mapping[str, Collection[str]]
) -> dict[str, Standing]:
    """What stands in the period of a body, where it is only one, as nearly always."""
    if len(named) != 1:
        return {}
    ((period, some),) = named.items()
    # No unit has a NUL in its code, and PostgreSQL would not even take the question.
    units = [unit for unit in some if "\0" not in unit]
    return {period: await _standing(connection, period, units)}


async def _standing(
    connection: Connection, period: str, units: Sequence[str]
) -> Standing:
    latest = await store.revisions(connection, period, units)
    return latest, await store.current_rows(connection, period, units) if latest else {}


def _listed(noted: Sequence[Odd]) -> tuple[Fault, ...]:
    """The first in the order of the reports, and how many more there are."""
    told = sorted((one for odd in noted for one in odd.told), key=report_index)
    listed = told[:MOST_ERRORS]
    more = len(told) - len(listed) + sum(odd.more for odd in noted)
    return (*listed, Fault("", "more_warnings", _more(more))) if more else (*listed,)


def report_index(found: Fault) -> int:
    """Which report of the body a fault is in; -1 for the body itself."""
    parts = found.pointer.split("/")
    return int(parts[2]) if len(parts) > 2 and parts[2].isdigit() else -1


@dataclass(frozen=True, slots=True)
class _Register:
    """The tree as far as the key sees it, on the day a body of reports arrives."""

    rows: dict[str, list[Unit]]
    everyone: dict[str, list[Unit]]
    links: dict[str, list[Link]]
    today: date
    hints: dict[str, list[str]]


async def _placed(
    connection: Connection,
    principal: Principal,
    reports: Sequence[Report],
    now: datetime,
) -> tuple[list[Report], list[Fault]]:
    """The reports whose unit and period exist for this key, and faults of the rest.

    The whole tree is read only where something is wrong, or reaches back.
    """
    today = clock.day_of(now)
    # No unit has a NUL in its code, and PostgreSQL would not even take the question.
    codes = sorted({report.unit for report in reports if "\0" not in report.unit})
    named = await store.tree(connection, codes)
    seen = _by_code(named, principal)
    if all(_stands(report, seen, today) for report in reports):
        return list(reports), []
    everyone = _by_code(await store.tree(connection), None)
    links: dict[str, list[Link]] = defaultdict(list)
    for link in await store.links(connection):
        links[link.successor].append(link)
    rows = {code: u for code, u in everyone.items() if principal.sees(code)}
    register = _Register(rows, everyone, links, today, {})
    good, faults = [], []
    for report in reports:
        found = _misplaced(report, register, Period.parse(report.period).end)
        if found is None:
            good.append(report)
        else:
            faults.append(found)
    return good, faults


def _stands(report: Report, seen: dict[str, list[Unit]], today: date) -> bool:
    end = Period.parse(report.period).end
    return end <= today and any(u.in_force(end) for u in seen.get(report.unit, ()))


def _misplaced(report: Report, register: _Register, end: date) -> Fault | None:
    rows, hints = register.rows, register.hints
    if report.unit not in rows:
        if report.unit not in hints and len(hints) < MOST_HINTS:
            names = [(u.code, n) for r in rows.values() for u in r for n in _names(u)]
            hints[report.unit] = nearest(report.unit[:80], names)
        return unknown_unit_in_body(
            f"/reports/{report.index}/unit", report.unit, hints.get(report.unit, ())
        )
    # What a new unit says of the time before it serves as last year's figures.
    if not any(u.in_force(end) for u in rows[report.unit]) and not reaches_back(
        report.unit, end, register.everyone, register.links
    ):
        return fault(report.index, "/unit", "unit_not_in_force", _not_in_force(end))
    if end > register.today:
        future = _future(end, register.today)
        return fault(report.index, "/period", "future_period", future)
    return None


def _names(unit: Unit) -> tuple[str, ...]:
    return (unit.name, *unit.aliases)


async def _changed(
    connection: Connection, reports: Sequence[Report], standing: Mapping[str, Standing]
) -> tuple[list[Changed], list[Fault]]:
    """What differs from what stands, and the reports whose change is refused."""
    by_period: dict[str, list[Report]] = defaultdict(list)
    for report in reports:
        by_period[report.period].append(report)
    changed: list[Changed] = []
    refused: list[Fault] = []
    for period, some in by_period.items():
        units = [report.unit for report in some]
        end = Period.parse(period).end
        latest, stored = (
            standing[period]
            if period in standing
            else await _standing(connection, period, units)
        )
        closed = await timetable.closed_units(connection, period, end, units)
        for report in some:
            stands = stored.get(report.unit, {})
            rows = changes(report, stands)
            correction = report.unit in closed
            if _crowds(stands, rows):
                refused.append(fault(report.index, "", "too_many_rows", _CROWDED))
            elif rows and correction and report.reason is None:
                place = (report.index, "/reason", "reason_required")
                refused.append(fault(*place, _closed(period)))
            elif rows:
                revision = latest.get(report.unit, 0) + 1
                changed.append(Changed(report, revision, rows, correction))
    return changed, refused


def _news(
    changed: Sequence[Changed],
    reported: Sequence[str],
    batch: str,
    request: str | None,
    now: datetime,
    dry_run: bool,
) -> list[News]:
    """One event per period that changed, and per period that looks back at one.

    The same cut a year later does, and those up to the next month end; rows that have
    a past (of all cases and all money) are looked back at for two years.
    """
    periods = {Period.parse(one.report.period) for one in changed}
    lasting = {
        Period.parse(one.report.period)
        for one in changed
        if any(row.has_past for row in one.rows)
    }
    later = {cut for period in periods for cut in period.later_cuts()}
    touched = periods | {cut for cut in later if cut.end <= clock.day_of(now)}
    for cut in map(Period.parse, reported):
        if cut.month_before() in periods or not lasting.isdisjoint(cut.two_years()):
            touched.add(cut)
    if dry_run:
        return [News(FIGURES_PROPOSED, p.code, batch, request) for p in sorted(touched)]
    return [
        *(News(FIGURES_CHANGED, p.code, batch, request) for p in sorted(touched)),
        *(News(REPORTS_CHANGED, p.code, batch, request) for p in sorted(periods)),
    ]


async def preview_of(
    database: Database, principal: Principal, batch: str
) -> dict[str, list[Any]]:
    """What a dry run would change, as far as the key may see its units.

    Lists are cut at MOST_PREVIEWED; `counts` says how many there are of each.
    """
    async with database.connection() as connection:
        answers = await lenses.answers(connection, batch)
    whole: dict[str, list[Any]] = {
        name: [] for name in ("scorecards", "opens", "updates", "closes")
    }
    for _, _, lists in answers:
        for name, items in lists.items():
            whole[name] += [item for item in items if principal.sees(item["unit"])]
    return whole


async def batch_at_its_end(
    database: Database, batch: str, key: str | None, wait: float
) -> Record | None:
    """The batch, once evaluated or failed, or as it stands after `wait` seconds."""
    deadline = asyncio.get_running_loop().time() + wait
    while True:
        async with database.connection() as connection:
            row = await store.batch_seen_by(connection, batch, key)
        if row is None or row["evaluated_at"] is not None or row["problem"]:
            return row
        if asyncio.get_running_loop().time() >= deadline:
            return row
        await asyncio.sleep(0.02)


def _more(count: int) -> Text:
    return Text(f"Còn {count} cảnh báo không liệt kê.", f"{count} more are not listed.")


def _crowds(standing: Mapping[tuple[str, str], object], rows: Sequence[Row]) -> bool:
    if len(standing) + len(rows) <= MOST_ROWS:
        return False
    return len(standing.keys() | {row.cell for row in rows}) > MOST_ROWS


_CROWDED = Text(
    f"Một đơn vị có tối đa {MOST_ROWS} dòng trong một kỳ.",
    f"A unit has at most {MOST_ROWS} rows in one period.",
)


def _closed(period: str) -> Text:
    return Text(
        f"Kỳ {period} đã khóa: thay đổi là đính chính, phải kèm lý do (reason).",
        f"{period} is closed: a change is a correction and needs a `reason`.",
    )


def _not_in_force(end: date) -> Text:
    return Text(
        f"Đơn vị không còn hoặc chưa hoạt động vào ngày cuối kỳ ({end:%d/%m/%Y}).",
        f"The unit is not in force on the period's last day ({end}).",
    )


def _future(end: date, today: date) -> Text:
    return Text(
        f"Kỳ kết thúc {end:%d/%m/%Y}, sau hôm nay ({today:%d/%m/%Y}).",
        f"The period ends on {end}, after today ({today}).",
    )

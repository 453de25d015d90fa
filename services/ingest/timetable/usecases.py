"""What the timetable does: close, reopen, oblige, count what came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from libs.common import clock, keys, lenses, working_days
from libs.common.database import Connection, Database, Row
from libs.common.events import REPORTS_CHANGED, News, publish
from libs.common.ids import new_id
from libs.common.keys import Principal
from libs.common.obligations import Obligation, Return, returned
from libs.common.periods import Period
from libs.common.problems import Conflict, Fault, Text, invalid, unknown_unit_in_body
from libs.common.upserts import Upserted
from services.ingest import store as reports
from services.ingest.timetable import store


async def close(
    database: Database,
    principal: Principal,
    period: Period,
    *,
    under: str,
    closed: bool,
    reason: str | None,
    request: str | None,
) -> str:
    """Close a period for a unit and all below it, or reopen it; returns the batch.

    A closed period takes changes only with a reason; those are corrections.
    """
    async with database.transaction() as connection:
        await _known(connection, principal, under)
        # Reports of the period are recorded under the same lock.
        await reports.one_writer(connection, [period.code])
        now = await clock.business_now(connection)
        await _refuse_idle(connection, period, under, closed, now)
        batch = new_id("bat")
        await reports.keep_batch(
            connection,
            batch,
            key=principal.key,
            request=request,
            now=now,
            changed=True,
        )
        await store.keep_closing(
            connection,
            period=period.code,
            under=under,
            closed=closed,
            reason=reason,
            batch=batch,
            author=principal.key,
            now=now,
        )
        await publish(connection, [News(REPORTS_CHANGED, period.code, batch, request)])
    return batch


async def _known(connection: Connection, principal: Principal, under: str) -> None:
    known = await keys.known_units(connection, [under])
    if not known or not principal.sees(under):
        raise invalid([unknown_unit_in_body("/under", under)])


async def _refuse_idle(
    connection: Connection, period: Period, under: str, closed: bool, now: datetime
) -> None:
    """Nothing closes before its end, nor twice; nothing reopens that is open."""
    if closed and period.end >= clock.day_of(now):
        raise Conflict("period_not_over", _not_over(period))
    below = await keys.subtree(connection, [under], period.end)
    shut = await store.closed_units(connection, period.code, period.end, list(below))
    if closed and shut >= below:
        raise Conflict("already_closed", _ALREADY)
    if not closed and not shut:
        raise Conflict("not_closed", _OPEN)


@dataclass(frozen=True, slots=True)
class PeriodState:
    """A period as far as the key sees it."""

    period: Period
    reports: int
    state: str
    words: tuple[Row, ...]


async def periods(
    database: Database, principal: Principal, year: int, known_at: datetime | None
) -> list[PeriodState]:
    """Every period of a working year that has reports or was closed, as then known."""
    scope = None if principal.scope is None else sorted(principal.scope)
    async with database.reading() as connection:
        if known_at is not None:
            await lenses.as_known_at(connection, known_at)
        counts = {
            row["period"]: row["reports"]
            for row in await store.reported_periods(connection, scope)
        }
        words: dict[str, list[Row]] = {}
        for row in await store.closings(connection, None, scope):
            words.setdefault(row["period"], []).append(row)
        found = []
        for code in counts.keys() | words.keys():
            period = Period.parse(code)
            if period.working_year != year:
                continue
            state = await _state(connection, principal, period, code in words)
            said = tuple(words.get(code, ()))
            found.append(PeriodState(period, counts.get(code, 0), state, said))
    return sorted(found, key=lambda one: (one.period.end, one.period.code))


async def _state(
    connection: Connection, principal: Principal, period: Period, spoken_of: bool
) -> str:
    if not spoken_of:
        return "open"
    tree = await keys.subtree(connection, [keys.ROOT], period.end)
    seen = {code for code in tree if principal.sees(code)}
    shut = await store.closed_units(connection, period.code, period.end, sorted(seen))
    if not shut:
        return "open"
    return "closed" if shut >= seen else "partly_closed"


# Obligations --------------------------------------------------------------------------


async def put_obligations(
    database: Database,
    principal: Principal,
    sent: Sequence[tuple[Obligation, object]],
) -> Upserted:
    """Upsert who owes which report; the rows of one name may not overlap."""
    async with database.transaction() as connection:
        await reports.one_writer(connection, ["obligations"])
        stored = await store.obligations(connection)
        before = {(r["name"], r["valid_from"]): r for r in stored}
        faults = await _faults(connection, principal, sent, before)
        if faults:
            raise invalid(faults)
        changed = [
            (o, document)
            for o, document in sent
            if not _stands(before.get((o.name, o.valid_from)), o, document)
        ]
        created = sum((o.name, o.valid_from) not in before for o, _ in changed)
        now = await clock.business_now(connection)
        await store.put_obligations(connection, changed, principal.key, now)
    return Upserted(
        created=created,
        updated=len(changed) - created,
        unchanged=len(sent) - len(changed),
    )


def _stands(row: Row | None, sent: Obligation, document: object) -> bool:
    if row is None:
        return False
    return Obligation.of(row) == sent and row["document"] == document


async def _faults(
    connection: Connection,
    principal: Principal,
    sent: Sequence[tuple[Obligation, object]],
    before: Mapping[tuple[str, date], Row],
) -> list[Fault]:
    known = await keys.known_units(connection, [o.under for o, _ in sent])
    replaced = {(o.name, o.valid_from) for o, _ in sent}
    rows = [Obligation.of(r) for k, r in before.items() if k not in replaced]
    faults = []
    for index, (one, _) in enumerate(sent):
        place = f"/obligations/{index}"
        if one.under not in known or not principal.sees(one.under):
            faults.append(unknown_unit_in_body(f"{place}/under", one.under))
        elif any(r.name == one.name and not principal.sees(r.under) for r in rows):
            faults.append(Fault(f"{place}/name", "name_taken", _TAKEN))
        if one.valid_to is not None and one.valid_to <= one.valid_from:
            faults.append(Fault(f"{place}/valid_to", "bad_interval", _INTERVAL))
        elif any(_overlap(one, other) for other in rows):
            faults.append(Fault(f"{place}/valid_from", "overlap", _OVERLAP))
        rows.append(one)
    return faults


def _overlap(one: Obligation, other: Obligation) -> bool:
    return (
        one.name == other.name
        and (other.valid_to is None or one.valid_from < other.valid_to)
        and (one.valid_to is None or other.valid_from < one.valid_to)
    )


@dataclass(frozen=True, slots=True)
class Completeness:
    """What came of all that was owed for a period; names by unit."""

    returns: tuple[Return, ...]
    names: Mapping[str, str]


async def completeness(
    connection: Connection,
    period: Period,
    units: Sequence[str],
    kind: str | None,
    known_at: datetime | None,
) -> Completeness:
    """Each report that these units owe for a period, against what came.

    Seen from a moment it says what then was late or awaited; the caller holds the
    lens of that moment.
    """
    is_working = await working_days.calendar(connection)
    now = await clock.business_now(connection)
    if known_at is not None:
        now = min(now, known_at.astimezone(now.tzinfo))
    stored = await store.obligations(connection)
    names: dict[str, str] = {}
    found: list[Return] = []
    came = await store.first_there(connection, period.code, units)
    for one in map(Obligation.of, stored):
        if not one.binds(period) or kind not in (None, one.kind):
            continue
        below = await keys.subtree(connection, [one.under], period.end)
        owing = await store.units_of_kind(
            connection, one.kind, period.end, below & set(units)
        )
        due_on = one.due_on(period, is_working)
        for row in owing:
            code = row["code"]
            names[code] = row["name"]
            found.append(returned(one, code, due_on, came.get(code, {}), now))
    return Completeness(tuple(found), names)


# Calendar -----------------------------------------------------------------------------


async def put_calendar(
    database: Database,
    principal: Principal,
    year: int,
    days: Sequence[tuple[date, bool, str, str | None]],
) -> None:
    """Let these be the days of a year that a decree takes on or off work."""
    faults = []
    for index, (day, *_) in enumerate(days):
        if day.year != year:
            message = Text(f"Ngày không thuộc năm {year}.", f"Not a day of {year}.")
            faults.append(Fault(f"/days/{index}/day", "other_year", message))
        if [d for d, *_ in days].index(day) != index:
            faults.append(Fault(f"/days/{index}/day", "duplicate_row", _TWICE))
    if faults:
        raise invalid(faults)
    async with database.transaction() as connection:
        await reports.one_writer(connection, ["calendar"])
        now = await clock.business_now(connection)
        before = {tuple(row) for row in await store.decreed_days(connection, year)}
        kept = {day for day, *_ in days}
        gone = [(d, None, n, doc) for d, _, n, doc in sorted(before) if d not in kept]
        changed = [*gone, *(day for day in days if day not in before)]
        await store.keep_decreed_days(connection, changed, principal.key, now)


_ALREADY = Text("Kỳ này đã khóa rồi.", "The period is closed there already.")
_OPEN = Text("Kỳ này chưa khóa.", "The period is not closed there.")
_INTERVAL = Text(
    "valid_to phải sau valid_from (là ngày đầu tiên không còn hiệu lực).",
    "valid_to is the first day out and must come after valid_from.",
)
_OVERLAP = Text(
    "Khoảng hiệu lực chồng lên một dòng khác cùng tên; hãy kết thúc dòng đó trước.",
    "Its days overlap another row of that name; end that one first.",
)
_TAKEN = Text(
    "Tên này đã dùng cho một nghĩa vụ khác; hãy chọn tên khác.",
    "Another obligation has this name; choose another.",
)
_TWICE = Text("Ngày này đã có trong danh sách.", "This day stands here twice.")


def _not_over(period: Period) -> Text:
    return Text(
        f"Kỳ kết thúc {period.end:%d/%m/%Y}; chỉ khóa được từ ngày sau đó.",
        f"The period ends on {period.end}; it can be closed from the day after.",
    )

"""Judges a version of a rule over past periods, beside the active one; records it."""

from __future__ import annotations

from collections.abc import Sequence

from libs.common import clock, lenses
from libs.common.database import Connection, Database, Row
from libs.common.events import SCORES_ASKED, Event, News, publish
from libs.common.ids import new_id
from libs.common.periods import InvalidPeriod, Period
from libs.common.problems import Fault, NotFound, Text, invalid
from services.alerts.backtests import shown, store
from services.alerts.backtests.judging import day_of, judged, moment_of
from services.alerts.domain.rule_life import RuleState
from services.alerts.domain.watching import Watch
from services.alerts.rulebooks import store as rules
from services.alerts.rulebooks.texts import understood
from services.alerts.rulebooks.usecases import no_such_rule

MOST_PERIODS = 60
"""Months that one backtest goes over."""


async def run(
    database: Database,
    actor: str,
    id: str,
    *,
    first: str,
    last: str,
    version: int | None = None,
    known: str = "now",
) -> shown.Backtest:
    """Judge and record; as known then, months of scorecards follow one by one."""
    periods = months(first, last)
    async with database.transaction() as connection:
        row = await _version(connection, id, version)
        active = await rules.in_state(connection, RuleState.ACTIVE, id)
        backtest = new_id("bkt")
        await store.keep(
            connection,
            backtest,
            rule=id,
            version=row["version"],
            against=next(
                (r["version"] for r in active if r["version"] != row["version"]), None
            ),
            periods=[period.code for period in periods],
            known=known,
            actor=actor,
            now=await clock.business_now(connection),
        )
        if known == "then" and understood(row["source"]).watches is Watch.SCORECARD:
            await _ask(connection, backtest, periods)
        else:
            await _judge(connection, backtest, periods, known)
        return await found(connection, id, backtest)


async def _version(connection: Connection, id: str, version: int | None) -> Row:
    wanted = version or await rules.newest(connection, id)
    row = await rules.found(connection, id, wanted)
    if row is None:
        raise no_such_rule(id, version)
    return row


def months(first: str, last: str) -> list[Period]:
    """Every month of working years from one to another. Raises Unacceptable."""
    ends = []
    for pointer, code in (("/from", first), ("/to", last)):
        try:
            ends.append(Period.parse(code))
        except InvalidPeriod:
            raise invalid([Fault(pointer, "unknown_period", _NO_MONTH)]) from None
    start, stop = (int(p.code[:4]) * 12 + (p.months or 1) - 1 for p in ends)
    if not start <= stop < start + MOST_PERIODS:
        raise invalid([Fault("/to", "out_of_range", _TOO_MANY)])
    counted = (divmod(month, 12) for month in range(start, stop + 1))
    return [Period.parse(f"{year:04d}M{month + 1:02d}") for year, month in counted]


_NO_MONTH = Text(
    "Không có tháng này của năm công tác; ví dụ đúng: 2022M05.",
    "There is no such month of a working year; write 2022M05.",
)
_TOO_MANY = Text(
    f"to phải không trước from, và nhiều nhất {MOST_PERIODS} tháng.",
    f"`to` must not be before `from`, and at most {MOST_PERIODS} months on.",
)


async def _ask(
    connection: Connection, backtest: str, periods: Sequence[Period]
) -> None:
    """Ask scoring for the scorecards of each month as they were known then."""
    now = await clock.business_now(connection)
    for period in periods:
        moment = min(moment_of(period), now)
        await lenses.ask(connection, backtest, period.code, moment)
    await publish(
        connection,
        [News(SCORES_ASKED, period.code, backtest, None) for period in periods],
    )


async def recalled(
    connection: Connection, period: str, events: Sequence[Event]
) -> None:
    """Judge a month of each backtest by the scorecards that scoring recalled."""
    for event in events:
        if event.batch is not None:
            await lenses.as_proposed(connection, event.batch)
            await _judge(connection, event.batch, [Period.parse(period)], "then")
            await lenses.forget_recalled(connection, event.batch, period)


async def _judge(
    connection: Connection, backtest: str, periods: Sequence[Period], known: str
) -> None:
    row = await store.asked(connection, backtest)
    assert row is not None
    texts = [row["source"], *([row["other"]] if row["other"] is not None else [])]
    versions = [understood(text) for text in texts]
    now = await clock.business_now(connection)
    for period in periods:
        if known == "then":
            await lenses.as_known_at(connection, min(moment_of(period), now))
        one, *others = await judged(connection, versions, period)
        other = others[0] if others else None
        at = day_of(period).isoformat()
        await store.keep_period(
            connection, backtest, period.code, shown.found(one, other, at)
        )


async def found(connection: Connection, rule: str, id: str) -> shown.Backtest:
    """One backtest of a rule. Raises NotFound."""
    rows = await store.listed(connection, rule, id, None, 1)
    if not rows:
        raise NotFound(
            "not_found",
            Text(f"Không có lần thử ngược «{id}».", f"There is no backtest {id!r}."),
        )
    return shown.backtest(rows[0])

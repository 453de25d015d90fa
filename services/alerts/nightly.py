"""What each new day brings: reports that are late by then, and rules that look at it.

A day is judged as of its first moment, one day after the other, so that what becomes
due while nobody was awake opens at the moment it was due, and in that order.
"""

from __future__ import annotations

from datetime import date, timedelta

from libs.common import clock
from libs.common.database import Connection, Database
from libs.common.periods import Period
from services.alerts import evaluation, messages, outbox, store
from services.alerts.cases.sweeping import sweep
from services.alerts.domain.deadlines import midnight
from services.alerts.domain.escalation import OF_THE_DAY
from services.alerts.domain.expressions import names_in
from services.alerts.domain.rules import Rule
from services.alerts.domain.watching import Watch
from services.alerts.duties.inheritance import pass_on
from services.alerts.evaluation import Judge, ready_rules
from services.alerts.rulebooks import ending
from services.alerts.subjects import missed_on

MOST_DAYS = 40
"""Days that are caught up one by one; of a longer sleep only the last are."""

LATE_FOR = 120
"""Days after a period's end in which a report that has not come is looked for."""


async def next_day(database: Database, judge: Judge) -> bool:
    """Judge the first day that was not yet; True when there was one."""
    async with database.transaction() as connection:
        now = await clock.business_now(connection)
        today = clock.day_of(now)
        last = await store.last_day(connection, today)
        if last >= today:
            return False
        day = max(last + timedelta(days=1), today - timedelta(days=MOST_DAYS))
        await ready_rules(connection, judge)
        await ending.close(connection, midnight(day))
        await _judge_reports(connection, judge, day)
        await _judge_scorecards(connection, judge, day)
        await sweep(connection, judge, now=midnight(day))
        await pass_on(connection, midnight(day))
        await store.day_done(connection, day)
    return True


async def _judge_reports(connection: Connection, judge: Judge, day: date) -> None:
    """Months whose reports may be late on this day, and those late since its start."""
    if not await store.obligations(connection):
        return
    for period in _months_before(day):
        await _tell_of_missing(connection, period, day)
        if not judge.engines[Watch.MISSING_REPORT].rules:
            continue
        await evaluation.evaluate(
            connection,
            judge,
            period.code,
            now=midnight(day),
            watches=(Watch.MISSING_REPORT,),
        )


async def _tell_of_missing(connection: Connection, period: Period, day: date) -> None:
    """Each day is judged once, so each missing report is told of once."""
    now = midnight(day)
    yesterday = day - timedelta(days=1)
    missed = await missed_on(connection, period, yesterday, now)
    told = [messages.of_missing(one.returned, period.code, now) for one in missed]
    await outbox.announce(connection, told)


def _months_before(day: date) -> list[Period]:
    """Months that ended lately, oldest first."""
    ends = (day - timedelta(days=n) for n in range(LATE_FOR, 0, -1))
    periods = map(Period.ending, ends)
    return [period for period in periods if period.months is not None]


async def _judge_scorecards(connection: Connection, judge: Judge, day: date) -> None:
    """Each unit's latest cut by the rules that ask what day it is: days left, ages."""
    rules = [r.id for r in judge.engines[Watch.SCORECARD].rules if _asks_the_day(r)]
    cuts = await store.latest_cuts(connection, day) if rules else {}
    for period, units in sorted(cuts.items()):
        await evaluation.evaluate(
            connection,
            judge,
            period,
            now=midnight(day),
            rules=rules,
            units=units,
            watches=(Watch.SCORECARD,),
        )


def _asks_the_day(rule: Rule) -> bool:
    return bool(names_in(rule.condition) & OF_THE_DAY)

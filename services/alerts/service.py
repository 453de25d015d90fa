"""The only place that wires alerts."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

from libs.common import audit, clock
from libs.common.aside import Aside
from libs.common.database import AWAY, UNMIGRATED, Connection, Database
from libs.common.events import (
    CASES_CHANGED,
    REPORTS_CHANGED,
    SCORES_CHANGED,
    SCORES_PROPOSED,
    SCORES_RECALLED,
    Event,
    consume,
    consume_one,
)
from libs.common.loops import Loop
from libs.common.sealing import unseal
from libs.common.service import Check, Service
from libs.common.settings import Settings
from services.alerts import inbox, nightly, outbox, telemetry, usecases
from services.alerts.backtests import usecases as backtesting
from services.alerts.backtests.routes import router as backtest_router
from services.alerts.duties.routes import router as duties_router
from services.alerts.engine.process import WORKER
from services.alerts.evaluation import Judge, ready_rules
from services.alerts.routes import router
from services.alerts.rulebooks.files import Directory
from services.alerts.rulebooks.routes import router as rule_router
from services.alerts.rulebooks.usecases import Trial
from services.alerts.sender import Sender
from services.alerts.subscriptions import store as subscriptions
from services.alerts.subscriptions import usecases as subscribing
from services.alerts.subscriptions.routes import SEALED_FOR
from services.alerts.subscriptions.routes import router as subscription_router
from services.alerts.subscriptions.webhooks import webhooks
from services.alerts.worker import Courier

TOLD_TOGETHER = 32
"""Periods whose reports are told of in one transaction."""


def build(
    url: str, settings: Settings, *, backoff: timedelta = timedelta(seconds=1)
) -> Service:
    """The service under its own database role: it judges, keeps and delivers."""
    database = Database(url, "dondoc_alerts")
    # What tells subscribers waits for nobody's connection. Its statements and those
    # that judge a period are few and asked all the time: they are planned once for all.
    telling = Database(url, "dondoc_alerts", size=4, plans="generic")
    judging = Database(url, "dondoc_alerts", size=2, plans="generic")
    judge = Judge(settings.rule_engine)
    trial = Trial(settings.rule_engine, WORKER)
    directory = Directory(settings.rules, trial)
    sender = Sender(allow_networks=settings.webhook_networks)
    guard = Sender(allow_networks=settings.webhook_networks, pools=0)
    key = settings.key_for(SEALED_FOR)
    courier = Courier(
        telling,
        sender,
        lambda id, sealed: unseal(key, id, sealed),
        subscribing.tell_of_ends,
    )

    async def judge_scores() -> bool:
        async def handle(
            connection: Connection, period: str, events: Sequence[Event]
        ) -> None:
            await inbox.scores_changed(connection, judge, period, events)

        return await consume_one(judging, SCORES_CHANGED, handle, backoff=backoff)

    async def preview() -> bool:
        async def handle(
            connection: Connection, period: str, events: Sequence[Event]
        ) -> None:
            await inbox.scores_proposed(connection, judge, period, events)

        return await consume_one(database, SCORES_PROPOSED, handle, backoff=backoff)

    async def tell_reports() -> bool:
        return await consume(
            telling,
            REPORTS_CHANGED,
            inbox.reports_changed,
            keys=TOLD_TOGETHER,
            backoff=backoff,
        )

    async def judge_recalled() -> bool:
        return await consume_one(
            database, SCORES_RECALLED, backtesting.recalled, backoff=backoff
        )

    async def judge_cases() -> bool:
        async def handle(
            connection: Connection, unit: str, events: Sequence[Event]
        ) -> None:
            await inbox.cases_changed(connection, judge, unit, events)

        return await consume_one(database, CASES_CHANGED, handle, backoff=backoff)

    async def fire_timers() -> bool:
        return await usecases.fire_timers(database)

    async def new_day() -> bool:
        return await nightly.next_day(database, judge)

    async def beat() -> bool:
        return await subscribing.beat(database)

    async def recover() -> bool:
        return await subscribing.recover_some(database)

    async def forget() -> bool:
        return await subscribing.forget(database)

    async def take_rules() -> bool:
        return await directory.take(database)

    async def engine_health() -> tuple[str, str]:
        health = judge.health()
        return health.state, health.text

    async def measure() -> None:
        async with database.connection() as connection:
            telemetry.measure_backlog(await subscriptions.backlog(connection))
        telemetry.CLAIM_AGE.set(time.monotonic() - courier.asked)
        telemetry.measure_engine(judge.counters())

    @asynccontextmanager
    async def running() -> AsyncIterator[None]:
        # What an unmigrated or absent database keeps from us now, the first
        # evaluation asks for again.
        with suppress(*AWAY, *UNMIGRATED):
            await directory.take(database)
            async with database.connection() as connection:
                await ready_rules(connection, judge)
        await judging.open()
        try:
            yield
        finally:
            await judging.close()
            await judge.stop()

    @asynccontextmanager
    async def delivering() -> AsyncIterator[None]:
        async with sender:
            try:
                yield
            finally:
                await courier.stop()

    return Service(
        name="alerts",
        summary="Comparisons become escalations, and reach subscribers.",
        database=database,
        routers=[
            router,
            duties_router,
            rule_router,
            backtest_router,
            subscription_router,
        ],
        webhooks=webhooks,
        loops=[
            Loop("alerts inbox", judge_scores, poll=1.0, topic=SCORES_CHANGED),
            Loop("alerts previews", preview, poll=1.0, topic=SCORES_PROPOSED),
            Loop("cases inbox", judge_cases, poll=1.0, topic=CASES_CHANGED),
            Loop("backtests", judge_recalled, poll=1.0, topic=SCORES_RECALLED),
            Loop("timers", fire_timers, poll=1.0, topic=clock.MOVED),
            Loop("new days", new_day, poll=10.0, topic=clock.MOVED),
            Loop("heartbeats", beat, poll=10.0),
            Loop("rule files", take_rules, poll=10.0),
            Loop("recoveries", recover, poll=5.0, topic=subscribing.RECOVERY),
            Loop("retention", forget, poll=3600.0),
            audit.sealer(database, settings),
        ],
        aside=Aside(
            "telling",
            telling,
            [
                Loop("reports inbox", tell_reports, poll=1.0, topic=REPORTS_CHANGED),
                Loop(
                    "deliveries",
                    courier.turn,
                    poll=0.25,
                    topic=outbox.DELIVERY,
                    wake=courier.wake,
                ),
            ],
            delivering,
        ),
        checks=[Check("engine", engine_health), Check("rules", directory.health)],
        measure=measure,
        running=running,
        state={"judge": judge, "sender": guard, "trial": trial},
    )

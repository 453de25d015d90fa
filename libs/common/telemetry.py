"""What Prometheus scrapes that every process has: requests, the event queue, and what
holds dead rows back."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest

from libs.common import vacuum
from libs.common.database import Connection
from libs.common.events import (
    FIGURES_CHANGED,
    REPORTS_CHANGED,
    SCORES_CHANGED,
    backlog,
)

REGISTRY = CollectorRegistry()

REQUESTS = Histogram(
    "dondoc_request_seconds",
    "Requests by method, route and status.",
    ("method", "route", "status"),
    buckets=(0.005, 0.02, 0.1, 0.5, 2, 10),
    registry=REGISTRY,
)
EVENTS_WAITING = Gauge(
    "dondoc_events_waiting", "Events to be handled.", ("topic",), registry=REGISTRY
)
EVENTS_AGE = Gauge(
    "dondoc_events_oldest_seconds",
    "How long the oldest event has waited.",
    ("topic",),
    registry=REGISTRY,
)
EVENTS_DEAD = Gauge(
    "dondoc_events_dead",
    "Events that failed every try; see GET /v1/dead-letters.",
    ("topic",),
    registry=REGISTRY,
)
OLDEST_XMIN = Gauge(
    "dondoc_oldest_xmin_seconds",
    "How long the oldest transaction has been open that keeps dead rows from being"
    " cleared.",
    registry=REGISTRY,
)
OLDEST_XMIN_AGE = Gauge(
    "dondoc_oldest_xmin_transactions",
    "How many transactions began since the oldest that keeps dead rows from being"
    " cleared, replication slots among them.",
    registry=REGISTRY,
)
DEAD_ROWS = Gauge(
    "dondoc_dead_rows", "Rows to be cleared.", ("table",), registry=REGISTRY
)
LIVE_ROWS = Gauge(
    "dondoc_live_rows", "Rows that stand, roughly.", ("table",), registry=REGISTRY
)


async def measure_queue(connection: Connection) -> None:
    """Read the depth and the age of the event queue."""
    for gauge in (EVENTS_WAITING, EVENTS_AGE, EVENTS_DEAD):
        for topic in (FIGURES_CHANGED, SCORES_CHANGED, REPORTS_CHANGED):
            gauge.labels(topic).set(0)
    for topic, waiting, age, dead in await backlog(connection):
        EVENTS_WAITING.labels(topic).set(waiting)
        EVENTS_AGE.labels(topic).set(age)
        EVENTS_DEAD.labels(topic).set(dead)


async def measure_vacuum(connection: Connection) -> None:
    """Read what keeps dead rows from being cleared, and how many there are."""
    found = await vacuum.holders(connection)
    OLDEST_XMIN.set(max((one.seconds or 0 for one in found), default=0))
    OLDEST_XMIN_AGE.set(max((one.transactions for one in found), default=0))
    for gauge in (DEAD_ROWS, LIVE_ROWS):
        gauge.clear()  # months of attempts come and go
    for table in await vacuum.tables(connection):
        DEAD_ROWS.labels(table.name).set(table.dead)
        LIVE_ROWS.labels(table.name).set(table.live)


def exposition(extra: Sequence[CollectorRegistry] = ()) -> bytes:
    """The text that Prometheus reads."""
    return b"".join(generate_latest(registry) for registry in (REGISTRY, *extra))

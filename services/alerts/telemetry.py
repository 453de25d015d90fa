"""What Prometheus scrapes of alerts: what is undelivered, how the engine agrees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import timedelta

from prometheus_client import Counter, Gauge, Histogram

from libs.common.database import Row
from libs.common.telemetry import REGISTRY
from services.alerts.engine import Counters
from services.alerts.leases import Settled

OLDEST = Gauge(
    "dondoc_oldest_undelivered_seconds",
    "How long the oldest message to an enabled subscription has waited.",
    registry=REGISTRY,
)
DELIVERIES = Gauge(
    "dondoc_deliveries",
    "Deliveries not at a good end: waiting, held by their subscription, or dead and"
    " not acknowledged.",
    ("state",),
    registry=REGISTRY,
)
SUBSCRIPTIONS = Gauge(
    "dondoc_subscriptions",
    "Subscriptions by state: enabled, paused by the breaker, disabled.",
    ("state",),
    registry=REGISTRY,
)
CLAIM_AGE = Gauge(
    "dondoc_last_claim_seconds",
    "How long ago this process last asked for deliveries.",
    registry=REGISTRY,
)
ATTEMPTS = Counter(
    "dondoc_delivery_attempts",
    "Attempts to deliver, by what became of the delivery.",
    ("state",),
    registry=REGISTRY,
)
DELIVERED = Histogram(
    "dondoc_delivery_seconds",
    "From deciding to the subscriber's 2xx, of messages delivered at the first try.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30),
    registry=REGISTRY,
)
ENGINE = Gauge(
    "dondoc_engine",
    "The rule engine since it started: decisions, disagreements, restarts, poison.",
    ("what",),
    registry=REGISTRY,
)


def measure_engine(counters: Counters) -> None:
    """Publish the engine's counters."""
    for counter in fields(counters):
        ENGINE.labels(counter.name).set(getattr(counters, counter.name))


def measure_backlog(counts: Mapping[str, int]) -> None:
    """Publish what is owed: `oldest`, deliveries and subscriptions by state."""
    OLDEST.set(counts["oldest"])
    for state in ("waiting", "held", "dead"):
        DELIVERIES.labels(state).set(counts[state])
    for state in ("enabled", "paused", "disabled"):
        SUBSCRIPTIONS.labels(state).set(counts[state])


def count_attempt(row: Row, settled: Settled, spent: timedelta) -> None:
    """Count an attempt that ended."""
    ATTEMPTS.labels(settled.state).inc()
    if settled.state == "delivered" and settled.attempt == 1:
        waited = row["started_at"] - row["created_at"] + spent
        DELIVERED.observe(waited.total_seconds())

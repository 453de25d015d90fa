"""What Prometheus scrapes of alerts: the engine's agreement, the oldest undelivered."""

from __future__ import annotations

from dataclasses import fields

from prometheus_client import Gauge

from libs.common.telemetry import REGISTRY
from services.alerts.engine import Counters

OLDEST = Gauge(
    "dondoc_oldest_undelivered_seconds",
    "How long the oldest message to an enabled subscription has waited.",
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

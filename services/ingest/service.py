"""The only place that wires ingest."""

from __future__ import annotations

import asyncio

from libs.common.database import Database
from libs.common.service import Service
from services.ingest.cases.routes import router as cases
from services.ingest.reconciliation.routes import router as reconciliation
from services.ingest.routes import router
from services.ingest.sheets.routes import router as sheets
from services.ingest.timetable.routes import router as timetable


def build(url: str) -> Service:
    """The service under its own database role."""
    return Service(
        name="ingest",
        summary="Unit statistics and case records come in.",
        database=Database(url, "dondoc_ingest"),
        routers=[router, timetable, sheets, cases, reconciliation],
        # One file at a time: reading one keeps a core busy.
        state={"sheet_readers": asyncio.Semaphore(1)},
    )

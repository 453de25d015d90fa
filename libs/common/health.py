"""`/livez /readyz /startupz /metrics /version`: what an operator and a machine ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

import asyncpg
from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from libs.common import vacuum
from libs.common.database import AWAY, UNMIGRATED, Database
from libs.common.telemetry import exposition, measure_queue, measure_vacuum

if TYPE_CHECKING:
    from libs.common.service import Service

try:
    VERSION = version("dondoc")
except PackageNotFoundError:  # a source tree that was never installed
    VERSION = "0"

_WORST = {"ok": 0, "warn": 1, "fail": 2}


@dataclass(slots=True)
class State:
    """What this process knows of itself."""

    database: Database
    with_loops: bool
    started: bool = False
    draining: bool = False

    def drain(self) -> None:
        """From now on this process wants no new requests."""
        self.draining = True


def router(state: State, services: Sequence[Service]) -> APIRouter:
    """The health routes of one process; they need no key."""
    routes = APIRouter()

    @routes.get("/livez")
    async def livez() -> JSONResponse:
        """Whether the event loop and the background loops move; never the database."""
        ours = [loop for service in services for loop in service.every_loop]
        loops = ours if state.with_loops else []
        checks = {
            loop.name: ("fail" if loop.stuck else "ok", f"{loop.idle:.1f} s since")
            for loop in loops
        }
        return _answer(checks)

    @routes.get("/readyz")
    async def readyz() -> JSONResponse:
        """Whether to send requests here: database, migrations, engine, not draining.

        A transaction that stays open, and so keeps dead rows from being cleared, is
        a warning.
        """
        checks = {"database": await _database(state.database)}
        if checks["database"][0] == "ok":
            checks["migrations"] = await _migrations(state.database)
            if checks["migrations"][0] == "ok":
                checks["open transactions"] = await _held_back(state.database)
        checks["draining"] = ("fail", "stopping") if state.draining else ("ok", "no")
        for service in services:
            for check in service.checks:
                checks[check.name] = await check.run()
        return _answer(checks)

    @routes.get("/startupz")
    async def startupz() -> JSONResponse:
        """Whether the process has finished starting."""
        return _answer({"started": ("ok" if state.started else "fail", "")})

    @routes.get("/metrics", response_class=Response)
    async def metrics() -> Response:
        """Prometheus metrics."""
        try:
            async with state.database.connection() as connection:
                await measure_queue(connection)
                await measure_vacuum(connection)
            for service in services:
                await service.measure()
        except (*AWAY, *UNMIGRATED, asyncpg.UndefinedFunctionError):
            pass  # what the process knows by itself is still worth scraping
        return Response(exposition(), media_type="text/plain; version=0.0.4")

    @routes.get("/version")
    async def current_version() -> dict[str, str]:
        """The version that answers."""
        return {"version": VERSION}

    return routes


async def _database(database: Database) -> tuple[str, str]:
    try:
        async with database.connection() as connection:
            await connection.fetchval("SELECT 1")
    except AWAY as error:
        return "fail", f"{type(error).__name__}; check DATABASE_URL and the server"
    except UNMIGRATED:  # a server that has never seen our roles
        return "fail", "run `dondoc migrate`"
    return "ok", "answers"


async def _migrations(database: Database) -> tuple[str, str]:
    async with database.connection() as connection:
        there = await connection.fetchval(
            "SELECT EXISTS (SELECT FROM pg_tables"
            " WHERE schemaname = 'alerts' AND tablename = 'delivery')"
            " AND to_regprocedure('platform.settle(text[], text[])') IS NOT NULL"
        )
    return ("ok", "applied") if there else ("fail", "run `dondoc migrate`")


async def _held_back(database: Database) -> tuple[str, str]:
    async with database.connection() as connection:
        return vacuum.held_back(await vacuum.holders(connection))


def _answer(checks: dict[str, tuple[str, str]]) -> JSONResponse:
    status = max((c[0] for c in checks.values()), key=_WORST.__getitem__, default="ok")
    shown = {name: {"status": c[0], "note": c[1]} for name, c in checks.items()}
    return JSONResponse(
        {"status": status, "checks": shown}, 503 if status == "fail" else 200
    )

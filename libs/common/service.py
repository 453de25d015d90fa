"""A service as a value, and the one application that serves one or several of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    nullcontext,
)
from dataclasses import dataclass, field

from fastapi import APIRouter, FastAPI
from fastapi.responses import RedirectResponse
from fastapi_offline import FastAPIOffline
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from libs.common import audit, health, platform
from libs.common.answers import speak_problems
from libs.common.aside import Aside, set_aside
from libs.common.database import Database
from libs.common.http import JSON_LIMIT, refuse_unknown_parameters
from libs.common.loops import Loop, Loops
from libs.common.openapi import describe, operation_id
from libs.common.rates import Rates
from libs.common.settings import Settings


@dataclass(frozen=True, slots=True)
class Check:
    """One line of `/readyz`: ok, warn or fail, with a word why."""

    name: str
    run: Callable[[], Awaitable[tuple[str, str]]]


async def _measure_nothing() -> None:
    """Most services have nothing to measure beside the queue."""


@dataclass(frozen=True, slots=True)
class Service:
    """What a service brings: its routes, its role, its loops and its checks."""

    name: str
    summary: str
    database: Database
    routers: Sequence[APIRouter]
    loops: Sequence[Loop] = ()
    aside: Aside | None = None
    checks: Sequence[Check] = ()
    measure: Callable[[], Awaitable[None]] = _measure_nothing
    running: Callable[[], AbstractAsyncContextManager[None]] = nullcontext
    state: Mapping[str, object] = field(default_factory=dict)
    webhooks: APIRouter | None = None

    @property
    def every_loop(self) -> list[Loop]:
        """Those beside HTTP, and those on a thread of their own."""
        return [*self.loops, *(self.aside.loops if self.aside else ())]


def create_app(
    services: Sequence[Service], settings: Settings, *, with_loops: bool = True
) -> FastAPI:
    """One HTTP application: one OpenAPI document, one tag per service."""
    # Keys, clock and health ask through a pool of their own: who waits for a
    # service's connections must not keep others from being recognised.
    first = services[0].database
    shared = Database(first.url, first.role, size=5)
    health_state = health.State(shared, with_loops=with_loops)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for service in services:
                await service.database.open()
                stack.push_async_callback(service.database.close)
            await shared.open()
            stack.push_async_callback(shared.close)
            await platform.start_clock(shared, settings)
            for service in services:
                await stack.enter_async_context(service.running())
                if with_loops:
                    loops = Loops(service.database, service.loops)
                    loops.start()
                    stack.push_async_callback(loops.stop)
                    if service.aside is not None:
                        await stack.enter_async_context(set_aside(service.aside))
            health_state.started = True
            stack.callback(health_state.drain)
            yield

    app: FastAPI = FastAPIOffline(
        title="dondoc",
        version=health.VERSION,
        summary="Presses for what is due in civil-judgment enforcement.",
        description=_ABOUT,
        lifespan=lifespan,
        max_body_size=JSON_LIMIT,
        redirect_slashes=False,
        openapi_tags=[
            *({"name": s.name, "description": s.summary} for s in services),
            {
                "name": "platform",
                "description": "Keys, clock, audit, dead letters, health.",
            },
        ],
        dependencies=[refuse_unknown_parameters],
        generate_unique_id_function=operation_id,
        swagger_ui_parameters={"defaultModelsExpandDepth": -1},
    )
    app.state.settings = settings
    app.state.rates = Rates(settings.requests_per_second)
    app.state.databases = {s.name: s.database for s in services}
    app.state.databases["platform"] = shared
    for service in services:
        for name, value in service.state.items():
            setattr(app.state, name, value)
        for router in service.routers:
            app.router.routes.extend(router.routes)
        if service.webhooks is not None:
            app.webhooks.include_router(service.webhooks)
    app.router.routes.extend(platform.router.routes)
    app.router.routes.extend(audit.router.routes)

    @app.get("/", include_in_schema=False)
    async def explorer() -> RedirectResponse:
        return RedirectResponse("/docs")

    app.include_router(health.router(health_state, services), tags=["platform"])
    speak_problems(app)
    if settings.proxies:
        # Outermost: what a proxy that is named here says of the client is believed.
        trusted = [str(network) for network in settings.proxies]
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=trusted)
    describe(app)
    return app


_ABOUT = """\
*Đôn đốc*: to press for what is due. Case-management software posts the statistics
that it already holds; dondoc answers with rates, shortfalls, rankings and duties,
and tells webhook subscribers what is owed, by whom and by when.

Authorise with an API key (`Authorization: Bearer ddk_…`). Rates and points are
exact decimals written as strings; counts and đồng are whole numbers. Output is
internal management information: only the Minister publishes official figures.
"""

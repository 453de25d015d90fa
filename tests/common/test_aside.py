"""Loops on a thread of their own: who starts them hears when they cannot start."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from libs.common.aside import Aside, set_aside
from libs.common.database import Database

pytestmark = pytest.mark.anyio


async def test_what_cannot_run_fails_the_start(url: str) -> None:
    @asynccontextmanager
    async def running() -> AsyncIterator[None]:
        raise RuntimeError("no way out")
        yield

    one = Aside("telling", Database(url, "dondoc_alerts"), [], running)

    async with asyncio.timeout(20):
        with pytest.raises(RuntimeError, match="no way out"):
            async with set_aside(one):
                pass

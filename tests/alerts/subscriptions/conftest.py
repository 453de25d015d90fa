"""One database for each file here, made as new before every test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from structlog.testing import capture_logs

from tests.support.databases import Stage, stage
from tests.support.world import World


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with capture_logs():
        yield


@pytest.fixture(scope="module")
async def staged(template: str) -> AsyncIterator[Stage]:
    async with stage(template, "subscriptions") as made:
        yield made


@pytest.fixture
async def still_world(staged: Stage) -> World:
    return await staged.as_new()

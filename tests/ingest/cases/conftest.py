"""A still world with a small tree, as new before each test of case records."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.ingest.cases.sending import plant
from tests.support.databases import Stage, stage
from tests.support.world import World


@pytest.fixture(scope="module")
async def staged(template: str, request: pytest.FixtureRequest) -> AsyncIterator[Stage]:
    name = request.module.__name__.rpartition(".")[2].replace("-", "_")
    async with stage(template, name) as made:
        yield made


@pytest.fixture
async def world(staged: Stage) -> World:
    """A province A with offices A1 and A2, an officer A11; B with B1; today 8 March 2022."""
    world = await staged.as_new()
    await plant(world)
    return world

"""One database for each file here, made as new before every test that keeps still."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.databases import Stage, stage
from tests.support.world import World


@pytest.fixture(scope="module")
async def staged(template: str) -> AsyncIterator[Stage]:
    async with stage(template, "rulebooks") as made:
        yield made


@pytest.fixture
async def still_world(staged: Stage) -> World:
    return await staged.as_new()

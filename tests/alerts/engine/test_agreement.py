"""Durable, native and SQL say the same of rules and rows by chance.

A sample; `python3 dev.py bench agreement` goes on until each has said it a million
times.
"""

from __future__ import annotations

import secrets

import asyncpg
import pytest

from bench.agreement import agreed

pytestmark = pytest.mark.anyio


async def test_the_three_readings_agree_on_a_sample(cluster: str) -> None:
    connection = await asyncpg.connect(cluster)
    try:
        found = await agreed(connection, secrets.randbelow(2**32), rows=500)
    finally:
        await connection.close()

    assert found.differed == 0
    assert found.checks == 20_000
    assert found.by_durable > 2_000

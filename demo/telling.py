"""What every part of the story tells with: its data, its numbers, its voice."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from demo.api import Api

DATA = Path(__file__).parent / "data"
Say = Callable[[str], None]


def body(name: str) -> Any:
    """A body from the demonstration's data."""
    return json.loads((DATA / name).read_text("utf-8"))


def vi(number: str) -> str:
    """A rate or points with the decimal comma."""
    return number.replace(".", ",")


async def send(api: Api, name: str, say: Say) -> None:
    """Send reports, wait until they are evaluated, and say what became of them."""
    receipt = await api.post("/v1/reports", body(name), wait=30)
    batch = await api.get(f"/v1/batches/{receipt['batch']}")
    opened, closed = batch["escalations"]["opened"], batch["escalations"]["closed"]
    say(
        f"  {name}: {receipt['accepted']} reports accepted, batch {batch['state']},"
        f" {opened} escalations opened, {closed} closed"
    )

"""Who stays silent, and a subscriber that is away: nothing owed or sent is lost."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any

import httpx

from demo.api import Api
from demo.telling import Say

MORNING = "2025-09-18T08:00:00+07:00"


async def tell(api: Api, receiver: str, subscription: str, say: Say) -> dict[str, Any]:
    """Let a deadline pass while the subscriber is down; what came of both."""
    matter = await _silent(api)
    say("\n18 September 2025 — the deadline is over, and the subscriber is down")
    async with httpx.AsyncClient(trust_env=False) as client:
        await client.put(f"{receiver}/down", content=b"")
        await api.put("/v1/clock", {"now": MORNING})
        taken_up = await _escalated(api, matter["id"])
        say(
            f"  {matter['unit']} handed in nothing: its matter is overdue and with"
            f" {taken_up['addressed_to']}, {len(taken_up['history'])} lines in its log"
        )
        waiting = await _failed(api, subscription)
        await client.put(f"{receiver}/up", content=b"")
        await api.post(f"/v1/subscriptions/{subscription}/enable", {})
        await delivered(api, subscription)
        received = (await client.get(f"{receiver}/received")).json()
        count = (await client.get(f"{receiver}/count")).json()
    in_order = _in_order(received)
    say(
        f"  The subscriber missed {waiting} events and got them when it was back: each"
        f" {'once' if not count['duplicates'] else 'more than once'}, those of one"
        f" matter {'in their order' if in_order else 'OUT OF ORDER'}"
    )
    return {
        "overdue": taken_up["overdue"],
        "addressed_to": taken_up["addressed_to"],
        "missed_some": waiting > 0,
        "duplicates": count["duplicates"],
        "in_order": in_order,
    }


async def _silent(api: Api) -> Any:
    """A room of Thái Nguyên that owes a plan and has handed in nothing."""
    matters = await api.all("/v1/escalations", state="open", under="TN")
    return next(
        m
        for m in sorted(matters, key=lambda m: (m["unit"], str(m["measure"])))
        if m["owes"] == "plan" and m["unit"] != "TN" and not m["level"]
    )


async def _escalated(api: Api, id: str) -> Any:
    async with asyncio.timeout(30):
        while True:
            shown = await api.get(f"/v1/escalations/{id}")
            if shown["level"]:
                return shown
            await asyncio.sleep(0.05)


async def _failed(api: Api, subscription: str) -> int:
    """How many deliveries wait, once one of them has failed."""
    path = f"/v1/subscriptions/{subscription}/deliveries"
    async with asyncio.timeout(30):
        while True:
            undone = [d for d in await api.all(path) if d["state"] != "delivered"]
            if any(d["attempts"] for d in undone):
                return len(undone)
            await asyncio.sleep(0.05)


async def delivered(api: Api, subscription: str) -> list[Any]:
    """Every delivery, once none is waiting."""
    path = f"/v1/subscriptions/{subscription}/deliveries"
    async with asyncio.timeout(60):
        while True:
            sent = await api.all(path)
            if all(d["state"] == "delivered" for d in sent):
                return sent
            await asyncio.sleep(0.05)


def _in_order(received: list[Any]) -> bool:
    """Whether the events of each matter came in their sequence."""
    seen: dict[str, list[int]] = defaultdict(list)
    for one in received:
        if str(one["type"]).startswith("vn.dondoc.escalation."):
            seen[one["data"]["id"]].append(one["sequence"])
    return all(numbers == sorted(set(numbers)) for numbers in seen.values())

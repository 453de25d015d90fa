"""After the letters, with made-up figures: a merger, a dry run, a correction."""

from __future__ import annotations

from typing import Any

from demo.api import Api, Refused
from demo.telling import Say, body, send, vi

PERIOD = "2025M11"


async def tell(api: Api, say: Say) -> dict[str, Any]:
    """Play what the letters do not hold, all of it illustrative; what came of it."""
    say(
        "\n15 September 2025 — the merger of July, eleven months (illustrative figures)"
    )
    return {
        "merger": await _merger(api, say),
        "dry_run": await _dry_run(api, say),
        "correction": await _correction(api, say),
    }


async def _merger(api: Api, say: Say) -> dict[str, Any]:
    """63 provinces became 34; last year's figures of the old stand for the new."""
    await api.put("/v1/units", body("provinces_2025.json"))
    for change in body("reorganisations_2025.json")["reorganisations"]:
        await api.post("/v1/reorganisations", change)
    await send(api, "reports_merger_illustrative.json", say)
    card = (await api.get(f"/v1/scorecards/TN/{PERIOD}"))["items"][0]
    last = card["last_year"]
    say(
        "  Bắc Kạn 620 / 1.000 and the old Thái Nguyên 2.180 / 4.000 stand restated as"
        f" {vi(last['rate'])}%:\n  Thái Nguyên's"
        f" {vi(card['rate'])}% is {vi(last['points'])} points"
        f" above ({last['basis']})"
    )
    parts = {
        p["unit"]: [p["done"], p["enforceable"]] for p in card["origin"]["predecessors"]
    }
    return {"rate": card["rate"], "last_year": last, "predecessors": parts}


def _thai_nguyen(done: int, **more: str) -> dict[str, Any]:
    reports = body("reports_merger_illustrative.json")["reports"]
    (report,) = [r for r in reports if r["unit"] == "TN"]
    (row,) = report["figures"]
    return {"reports": [{**report, "figures": [{**row, "done": done}], **more}]}


async def _dry_run(api: Api, say: Say) -> dict[str, Any]:
    """What would happen if Thái Nguyên had finished 2,700 cases."""
    receipt = await api.post("/v1/reports", _thai_nguyen(2700), dry_run="true", wait=30)
    batch = await api.get(f"/v1/batches/{receipt['batch']}")
    opens, cards = batch["preview"]["opens"], batch["preview"]["scorecards"]
    say(f"\n  A dry run of 2.700 cases done instead of 2.964: batch {batch['state']}")
    for matter in opens:
        due = f", due by {matter['due']['on']}" if matter["due"] else ""
        say(
            f"    would open {matter['rule']['id']} for {matter['unit']}:"
            f" owes {matter['owes']}{due}"
        )
    for card in cards:
        rate = card["rate"] and vi(card["rate"])
        say(f"    would change {card['unit']} {card['period']} to {rate}%")
    stands = (await api.get(f"/v1/scorecards/TN/{PERIOD}"))["items"][0]["rate"]
    say(f"    nothing is left behind: the rate is still {vi(stands)}%")
    return {
        "state": batch["state"],
        "opens": [[m["rule"]["id"], m["unit"], m["due"]["on"]] for m in opens],
        "changes": sorted([c["unit"], c["period"], c["rate"]] for c in cards),
        "stands": stands,
    }


async def _correction(api: Api, say: Say) -> dict[str, Any]:
    """A closed period takes a change only with its reason, and forgets nothing."""
    await api.post(f"/v1/periods/{PERIOD}/close", {"note": "Minh họa: khóa sổ"})
    before = (await api.get("/v1/clock"))["now"]
    say(f"\n  {PERIOD} is closed. Thái Nguyên finds 52 cases counted twice:")
    code = await _refusal(api, _thai_nguyen(2912))
    say(f"    without a reason: {code}")
    reason = "Minh họa: 52 việc đếm trùng"
    await api.post("/v1/reports", _thai_nguyen(2912, reason=reason), wait=30)
    return {
        "without_a_reason": code,
        "before": await _ranking(api, say, "as known before it", known_at=before),
        "after": await _ranking(api, say, "after it"),
    }


async def _refusal(api: Api, reports: dict[str, Any]) -> str | None:
    try:
        await api.post("/v1/reports", reports)
    except Refused as refused:
        return str(refused.document["errors"][0]["code"])
    return None


async def _ranking(api: Api, say: Say, when: str, **query: str) -> list[list[Any]]:
    rows = (await api.get(f"/v1/rankings/{PERIOD}", **query))["items"]
    ranked = [row for row in rows if row["rank"]]
    told = "; ".join(f"{r['rank']}. {r['name']} {vi(r['rate'])}%" for r in ranked)
    say(f"    the ranking {when}: {told}")
    return [[row["rank"], row["unit"], row["rate"]] for row in ranked]

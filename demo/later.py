"""After the letters, with made-up figures: a merger, a dry run, a correction."""

from __future__ import annotations

from typing import Any

from demo.api import Api, Refused
from demo.telling import Say, body, send, vi

PERIOD = "2025M11"


async def tell(api: Api, say: Say) -> None:
    """Play what the letters do not hold; every figure here is illustrative."""
    say(
        "\n15 September 2025 — the merger of July, eleven months (illustrative figures)"
    )
    await _merger(api, say)
    await _dry_run(api, say)
    await _correction(api, say)


async def _merger(api: Api, say: Say) -> None:
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


def _thai_nguyen(done: int, **more: str) -> dict[str, Any]:
    reports = body("reports_merger_illustrative.json")["reports"]
    (report,) = [r for r in reports if r["unit"] == "TN"]
    (row,) = report["figures"]
    return {"reports": [{**report, "figures": [{**row, "done": done}], **more}]}


async def _dry_run(api: Api, say: Say) -> None:
    """What would happen if Thái Nguyên had finished 2,700 cases."""
    receipt = await api.post("/v1/reports", _thai_nguyen(2700), dry_run="true", wait=30)
    batch = await api.get(f"/v1/batches/{receipt['batch']}")
    preview = batch["preview"]
    say(f"\n  A dry run of 2.700 cases done instead of 2.964: batch {batch['state']}")
    for matter in preview["opens"]:
        due = f", due by {matter['due']['on']}" if matter["due"] else ""
        say(
            f"    would open {matter['rule']['id']} for {matter['unit']}:"
            f" owes {matter['owes']}{due}"
        )
    for card in preview["scorecards"]:
        rate = card["rate"] and vi(card["rate"])
        say(f"    would change {card['unit']} {card['period']} to {rate}%")
    stands = (await api.get(f"/v1/scorecards/TN/{PERIOD}"))["items"][0]["rate"]
    say(f"    nothing is left behind: the rate is still {vi(stands)}%")


async def _correction(api: Api, say: Say) -> None:
    """A closed period takes a change only with its reason, and forgets nothing."""
    await api.post(f"/v1/periods/{PERIOD}/close", {"note": "Minh họa: khóa sổ"})
    before = (await api.get("/v1/clock"))["now"]
    say(f"\n  {PERIOD} is closed. Thái Nguyên finds 52 cases counted twice:")
    try:
        await api.post("/v1/reports", _thai_nguyen(2912))
    except Refused as refused:
        say(f"    without a reason: {refused.document['errors'][0]['code']}")
    reason = "Minh họa: 52 việc đếm trùng"
    await api.post("/v1/reports", _thai_nguyen(2912, reason=reason), wait=30)
    for known_at, when in ((before, "as known before it"), (None, "after it")):
        query = {} if known_at is None else {"known_at": known_at}
        rows = (await api.get(f"/v1/rankings/{PERIOD}", **query))["items"]
        told = "; ".join(
            f"{row['rank']}. {row['name']} {vi(row['rate'])}%"
            for row in rows
            if row["rank"]
        )
        say(f"    the ranking {when}: {told}")

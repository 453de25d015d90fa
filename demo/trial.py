"""A changed threshold, tried over the months that were and in shadow: nobody hears."""

from __future__ import annotations

from typing import Any

from demo.api import Api
from demo.telling import Say

RULE = "/v1/rules/below-last-year"
WHEN, TRIED = "when: rate < last_year.rate", "when: last_year.points <= -3 pp"
MONTHS = {"from": "2021M05", "to": "2025M11"}


async def tell(api: Api, say: Say) -> dict[str, Any]:
    """Draft the next version, backtest it, let it run in shadow; what both say."""
    active = await api.get(RULE)
    version = active["version"] + 1
    say(f"\n  Would 3 points be a better line than none? A draft of {active['id']}:")
    say(f"    -{WHEN.partition(':')[2]}\n    +{TRIED.partition(':')[2]}")
    draft = active["source"].replace(WHEN, TRIED)
    draft = draft.replace(
        f"\nversion: {active['version']}\n", f"\nversion: {version}\n"
    )
    await api.put_text(RULE, draft)
    before = await _matters(api)
    tested = await _backtest(api, version, say)
    shadow = await _shadow(api, version, say)
    after = await _matters(api)
    say(f"    escalations before and after the trial: {before}, {after}")
    return {"backtest": tested, "shadow": shadow, "opened": after - before}


async def _matters(api: Api) -> int:
    return len(await api.all("/v1/escalations"))


async def _backtest(api: Api, version: int, say: Say) -> dict[str, Any]:
    """What the draft would have said of each month with figures."""
    found = await api.post(f"{RULE}/backtest", {"version": version, **MONTHS})
    say(f"\n    {'month':<9} {'fired':>5} {'held':>5} {'silent':>6}   active fires")
    told: dict[str, Any] = {}
    for month in found["periods"]:
        against = month["against"]
        if month["fired"] or month["held"] or month["silent"]:
            say(
                f"    {month['period']:<9} {month['fired']:>5} {month['held']:>5}"
                f" {month['silent']:>6}   {against['fired']}"
            )
            told[month["period"]] = [month["fired"], against["fired"]]
    first = found["first_fired"][0]
    say(f"    the first to hear of it: {first['unit']} on {first['on']}")
    return told


async def _shadow(api: Api, version: int, say: Say) -> dict[str, int]:
    """What it says of May 2022 beside the active version, opening nothing."""
    reason = "Minh họa: thử ngưỡng 3 điểm"
    await api.post(f"{RULE}/shadow", {"version": version, "reason": reason})
    await api.post(
        "/v1/evaluations", {"period": "2022M05", "rules": ["below-last-year"]}
    )
    found = await api.get(f"{RULE}/shadow", period="2022M05", difference="would_not")
    counts = found["counts"]
    spared = ", ".join(f"{r['unit']} {r['measure']}" for r in found["items"][:4])
    say(
        f"\n    in shadow, 2022M05: {counts['same']} the same, {counts['would_open']}"
        f" more, {counts['would_not']} fewer, such as {spared}"
    )
    return {name: counts[name] for name in ("fired", "would_open", "would_not")}

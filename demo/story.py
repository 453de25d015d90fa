"""The letters, played through the public API and told as they come out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import httpx

from demo import golden, later, silence, trial
from demo.api import Api
from demo.telling import Say, body, send, vi

UNIT_OF = {"cases": "về việc · cases", "money": "về tiền · money"}


async def tell(api: Api, receiver: str, say: Say) -> list[str]:
    """Play the story; returns every golden figure that did not come out."""
    subscription = await subscribe(api, receiver)
    say(
        f"A subscriber at {receiver} hears report.*, period.*, escalation.* and ping.\n"
    )
    round_trip = await _letter_679(api, say)
    await _bac_giang(api, say)
    await _thai_nguyen(api, say)
    told = {"round_trip": round_trip, **await later.tell(api, say)}
    told["trial"] = await trial.tell(api, say)
    await _duties(api, say)
    told["silence"] = await silence.tell(api, receiver, subscription, say)
    await _what_arrived(api, receiver, subscription, say)
    return golden.told_apart(told) + await golden.differences(api)


async def subscribe(api: Api, receiver: str) -> str:
    """Subscribe the receiver, hand it the secret, and ping it; the subscription."""
    made = await api.post(
        "/v1/subscriptions",
        {
            "url": f"{receiver}/hook",
            "types": ["report.*", "period.*", "escalation.*", "ping"],
        },
    )
    async with httpx.AsyncClient(trust_env=False) as client:
        await client.put(f"{receiver}/secret", content=made["secret"])
    await api.post(f"/v1/subscriptions/{made['id']}/ping")
    return str(made["id"])


async def _letter_679(api: Api, say: Say) -> dict[str, Any]:
    say("8 March 2022 — letter 679/TCTHADS-TKDLCN, five months of 2022")
    await api.put("/v1/units", body("units_2022.json"))
    await _targets(api, 2022)
    await send(api, "reports_679.json", say)
    for measure in UNIT_OF:
        await _appendix(api, measure, say)
    round_trip = await _round_trip(api, say)
    await _lowest(api, say)
    asked = {"rule": "below-last-year", "verdict": "held"}
    held = await api.get("/v1/decisions", period="2022M05", limit=1000, **asked)
    say(
        f"\n  Below last year? Held for {len(held['items'])} rows: the letter does not"
        " print last year's rates, and what is unknown opens nothing."
    )
    say("  With the made-up baseline of 2021 (illustrative, true of nobody):")
    await send(api, "reports_last_year_illustrative.json", say)
    return round_trip


async def _lowest(api: Api, say: Say) -> None:
    """Whom the letter's first paragraph names, as the rule says it."""
    matters = await api.all("/v1/escalations", rule="bottom-five")
    say(f"\n  Named as the lowest five of each list, {len(matters)} matters, such as:")
    say(f"    {matters[0]['message']['vi']}")


async def _appendix(api: Api, measure: str, say: Say) -> None:
    ranking = await api.get("/v1/rankings/2022M05", measure=measure)
    rows, national = ranking["items"], ranking["national"]
    say(f"\n  Appendix {UNIT_OF[measure]}: done / enforceable")
    say(_line(national["stt"], "Kết quả chung toàn quốc", national["rate"], ""))
    for row in rows[:3]:
        say(_line(row["stt"], row["name"], row["rate"], row["above_national"]))
    say("      …")
    for row in rows[-5:]:
        say(_line(row["stt"], row["name"], row["rate"], row["above_national"]))
    above = sum(Decimal(row["above_national"]) > 0 for row in rows)
    say(f"      {above} of {len(rows)} provinces above the national rate")


async def _round_trip(api: Api, say: Say) -> dict[str, Any]:
    """The appendix as a workbook, sent back as a clerk would send it.

    Had a line been read otherwise than it was printed, its report would have changed;
    had one been left out, it would be missing from the receipt.
    """
    path = "/v1/rankings/2022M05"
    before = await api.get(path, limit=1000)
    workbook = await api.file(path, format="xlsx")
    query = {"mapping": "appendix", "period": "2022M05", "wait": 30}
    receipt = await api.upload("/v1/reports/upload", workbook, **query)
    same = await api.get(path, limit=1000) == before
    say(
        f"\n  The appendix as .xlsx ({len(workbook) // 1024} KiB), uploaded again:"
        f" {receipt['unchanged']} reports unchanged, {receipt['accepted']} changed;"
        f" the appendix is {'the same' if same else 'ANOTHER'}"
    )
    read = {name: receipt[name] for name in ("unchanged", "accepted", "rejected")}
    return {**read, "warnings": receipt["warnings"], "same": same}


def _line(stt: int, name: str, rate: str, above: str) -> str:
    return f"  {stt:>4}  {name:<28} {vi(rate):>7}%  {vi(above):>7}"


def _whole(count: int) -> str:
    return f"{count:,}".replace(",", ".")


async def _targets(api: Api, year: int) -> None:
    wanted = [t for t in body("targets.json")["targets"] if t["year"] == year]
    await api.put("/v1/targets", {"targets": wanted})


async def _bac_giang(api: Api, say: Say) -> None:
    await api.put("/v1/clock", {"now": "2022-04-22T08:00:00+07:00"})
    say("\n22 April 2022 — Bắc Giang's conference, six months of 2022")
    await send(api, "reports_bac_giang.json", say)
    await send(api, "report_over_one_year_illustrative.json", say)
    shown = await api.get("/v1/scorecards/BG/2022M06")
    for card in shown["items"]:
        last = card["last_year"]
        say(
            f"  {UNIT_OF[card['measure']]}: {_whole(card['done'])}"
            f" / {_whole(card['enforceable'])}"
            f" = {vi(card['rate'])}%, last year {vi(last['rate'])}%,"
            f" {vi(last['points'])} points"
        )


async def _thai_nguyen(api: Api, say: Say) -> None:
    await api.put("/v1/clock", {"now": "2025-09-15T08:00:00+07:00"})
    say("\n15 September 2025 — Thái Nguyên's telegram, figures to 12 September")
    await api.put("/v1/units", body("units_2025.json"))
    await api.post("/v1/reorganisations", body("reorganisation_thai_nguyen.json"))
    await _targets(api, 2025)
    await send(api, "reports_thai_nguyen.json", say)
    cards = await api.all("/v1/scorecards", period="2025-09-12", under="TN")
    for measure in UNIT_OF:
        say(f"\n  {UNIT_OF[measure]}: rate, target, shortfall in points, needed")
        for card in cards:
            if card["measure"] == measure:
                say(_shortfall_line(card))


def _shortfall_line(card: Any) -> str:
    lacking = card["shortfall"]
    needed = "chưa rõ" if lacking["needed"] is None else str(lacking["needed"])
    made_up = "  (minh họa · illustrative)" if card["illustrative"] else ""
    return (
        f"    {card['name']:<26} {vi(card['rate']):>6}"
        f" {vi(card['target']['rate']):>6} {vi(lacking['points']):>6}"
        f" {needed:>8}{made_up}"
    )


async def _duties(api: Api, say: Say) -> None:
    found = await api.all("/v1/escalations")
    matters = sorted(found, key=lambda m: (m["unit"], m["measure"]))
    say(f"\nWhat is owed: {len(matters)} escalations")
    for rule in sorted({m["rule"]["id"] for m in matters}):
        of_rule = [m for m in matters if m["rule"]["id"] == rule]
        say(f"  {of_rule[0]['title']['vi']} ({rule}): {len(of_rule)}")
        for matter in of_rule[:4]:
            say(_duty_line(matter))
        if len(of_rule) > 4:
            say(f"    … and {len(of_rule) - 4} more")
    await _one_answers(api, matters, say)


def _duty_line(matter: Any) -> str:
    due = matter["due"]
    by = f" by {due['on']}" if due else ""
    late = ", overdue" if matter["overdue"] else ""
    late += f", now with {matter['addressed_to']}" if matter["level"] else ""
    made_up = ", illustrative" if matter["illustrative"] else ""
    return (
        f"    {matter['unit']:<8} {matter['measure']:<6} {matter['severity']:<9}"
        f" owes {matter['owes']}{by} ({matter['decided_by']} decided{late}{made_up})"
    )


async def _one_answers(api: Api, matters: Sequence[Any], say: Say) -> None:
    """One unit explains, is asked for more, explains again and is accepted."""
    plan = next(m for m in matters if m["owes"] == "plan")
    key = await api.post(
        "/v1/keys", {"name": "area", "roles": ["responder"], "units": [plan["unit"]]}
    )
    area = api.with_key(key["key"])
    try:
        path = f"/v1/escalations/{plan['id']}"
        await area.post(f"{path}/acknowledge", {})
        first = await area.post(f"{path}/explanations", _plan("Tập trung việc lớn."))
        asked = {"reason": "Chưa có mốc thời gian."}
        back = await api.post(f"{path}/explanations/{first['n']}/return", asked)
        again = await area.post(f"{path}/explanations", _plan("Mỗi tuần 20 việc."))
        done = await api.post(f"{path}/explanations/{again['n']}/accept", {})
    finally:
        await area.close()
    say(
        f"  {plan['unit']} hands in a plan, is asked for more by {back['due']['on']},"
        f" hands in again: the matter is {done['state']} as {done['closed_as']}"
        " (illustrative)"
    )


def _plan(text: str) -> dict[str, object]:
    return {
        "causes": ["large_cases"],
        "text": f"Minh họa: {text}",
        "remedies": [{"text": "Giao chỉ tiêu từng tuần", "by": "2025-09-30"}],
    }


async def _what_arrived(api: Api, receiver: str, subscription: str, say: Say) -> None:
    """Wait until every delivery is done, and ask the subscriber what it verified."""
    sent = await silence.delivered(api, subscription)
    async with httpx.AsyncClient(trust_env=False) as client:
        received = (await client.get(f"{receiver}/received")).json()
        count = (await client.get(f"{receiver}/count")).json()
    missing = {d["message"] for d in sent} - {one["id"] for one in received}
    if missing:
        raise RuntimeError(f"delivered but not received: {sorted(missing)}")
    say(f"\nThe subscriber verified {count['received']} signed events:")
    for type, number in _counted(one["type"] for one in received):
        say(f"    {number:>4}  {type}")
    say(f"    {count['duplicates']} duplicates, {count['refused']} refused")


def _counted(names: Iterable[str]) -> list[tuple[str, int]]:
    every = list(names)
    return [(name, every.count(name)) for name in sorted(set(every))]

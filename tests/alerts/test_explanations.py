"""What is handed in is accepted or returned, by one above and never its author."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.support.world import World

pytestmark = pytest.mark.anyio
EXPLANATION = {"causes": ["pandemic"], "text": "Dịch bệnh kéo dài."}


@pytest.fixture
async def unit(world: World, matter: dict[str, Any]) -> httpx.AsyncClient:
    """The province's own key."""
    return await world.client("responder", under="A")


@pytest.fixture
async def above(world: World) -> httpx.AsyncClient:
    """A supervisor at the centre."""
    return await world.client("supervisor", "responder")


def at(matter: dict[str, Any], rest: str = "") -> str:
    """The address of a matter's explanations."""
    return f"/v1/escalations/{matter['id']}/explanations{rest}"


async def hand_in(client: httpx.AsyncClient, matter: dict[str, Any]) -> int:
    """Hand in once more; its number."""
    answer = await client.post(at(matter), json=EXPLANATION)
    assert answer.status_code == 201, answer.text
    n: int = answer.json()["n"]
    return n


async def test_explained_returned_explained_again_and_accepted(
    world: World,
    matter: dict[str, Any],
    unit: httpx.AsyncClient,
    above: httpx.AsyncClient,
) -> None:
    await hand_in(unit, matter)
    more = {"reason": "Chưa nêu giải pháp."}
    returned = (await above.post(at(matter, "/1/return"), json=more)).json()
    n = await hand_in(unit, matter)
    closed = (await above.post(at(matter, f"/{n}/accept"))).json()

    # Tuesday 8 March: the third working day after it is Friday the 11th.
    assert (returned["state"], returned["due"]["on"]) == ("returned", "2022-03-11")
    assert (closed["state"], closed["closed_as"]) == ("closed", "accepted")
    whole = (await world.admin.get(f"/v1/escalations/{matter['id']}")).json()
    told = ["opened", "explained", "returned", "explained", "accepted"]
    assert [line["change"] for line in whole["history"]] == told
    assert whole["history"][2]["detail"]["reason"] == more["reason"]
    messages = await world.owner.fetch(
        "SELECT type FROM alerts.message WHERE escalation = $1 ORDER BY sequence",
        matter["id"],
    )
    assert [message["type"] for message in messages] == [
        "escalation.opened",
        "escalation.explained",
        "escalation.returned",
        "escalation.explained",
        "escalation.closed",
    ]


async def test_what_was_accepted_stays_closed_when_the_figures_are_sent_again(
    world: World,
    matter: dict[str, Any],
    unit: httpx.AsyncClient,
    above: httpx.AsyncClient,
) -> None:
    await hand_in(unit, matter)
    (await above.post(at(matter, "/1/accept"))).raise_for_status()

    (await above.post("/v1/evaluations", json={"period": "2022M05"})).raise_for_status()

    (shown,) = (await world.admin.get("/v1/escalations")).json()["items"]
    assert shown["state"] == "closed"


async def test_a_returned_matter_is_overdue_after_its_new_day(
    world: World,
    matter: dict[str, Any],
    unit: httpx.AsyncClient,
    above: httpx.AsyncClient,
) -> None:
    await hand_in(unit, matter)
    until = {"due": "2022-03-20"}
    (await above.post(at(matter, "/1/return"), json=until)).raise_for_status()
    moments = ("2022-03-20T23:59:59+07:00", "2022-03-21T00:00:00+07:00")
    seen = []

    for moment in moments:
        (await world.admin.put("/v1/clock", json={"now": moment})).raise_for_status()
        shown = await world.admin.get(f"/v1/escalations/{matter['id']}")
        seen.append(shown.json()["overdue"])

    assert seen == [False, True]


async def test_nobody_judges_an_explanation_of_their_own(
    matter: dict[str, Any], above: httpx.AsyncClient
) -> None:
    await hand_in(above, matter)

    answer = await above.post(at(matter, "/1/accept"))

    assert (answer.status_code, answer.json()["code"]) == (409, "own_explanation")


async def test_only_a_supervisor_above_the_unit_judges(
    world: World, matter: dict[str, Any], unit: httpx.AsyncClient
) -> None:
    await hand_in(unit, matter)
    beside = await world.client("supervisor", under="A")

    answers = [await who.post(at(matter, "/1/accept")) for who in (unit, beside)]

    assert [answer.status_code for answer in answers] == [403, 403]


@pytest.mark.parametrize(
    ("rest", "body", "status"),
    [
        pytest.param("/1/accept", {}, 404, id="nothing was handed in"),
        pytest.param("/1/return", {"due": "2022-03-07"}, 422, id="a day that is over"),
        pytest.param("/1/return", {"due": 20220320}, 422, id="a day as a number"),
    ],
)
async def test_what_cannot_be_judged_is_refused(
    matter: dict[str, Any],
    above: httpx.AsyncClient,
    rest: str,
    body: dict[str, Any],
    status: int,
) -> None:
    answer = await above.post(at(matter, rest), json=body)

    assert answer.status_code == status


async def test_only_the_latest_round_is_judged(
    matter: dict[str, Any], unit: httpx.AsyncClient, above: httpx.AsyncClient
) -> None:
    await hand_in(unit, matter)
    (await above.post(at(matter, "/1/return"))).raise_for_status()
    await hand_in(unit, matter)

    answer = await above.post(at(matter, "/1/accept"))

    assert answer.status_code == 409

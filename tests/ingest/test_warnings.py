"""What is odd but possible is taken, and said in the receipt."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.world import World

pytestmark = pytest.mark.anyio


def figures(**counts: int) -> list[dict[str, Any]]:
    return [{"measure": "cases", **counts}]


def report(period: str, **counts: int) -> dict[str, Any]:
    return {"unit": "A", "period": period, "figures": figures(**counts)}


@pytest.fixture
async def january(still_world: World) -> World:
    """A's January: 100 carried over, 40 new, 30 done."""
    unit = {
        "code": "A",
        "name": "A",
        "kind": "province",
        "parent": "VN",
        "valid_from": "2010-01-01",
    }
    await still_world.admin.put("/v1/units", json={"units": [unit]})
    counts = {"carried_over": 100, "newly_accepted": 40, "enforceable": 90, "done": 30}
    await still_world.report(report("2022M04", **counts))
    return still_world


async def warned(world: World, sent: dict[str, Any], **query: str) -> dict[str, str]:
    answer = await world.report(sent, **query)
    assert answer.status_code == 202, answer.text
    return {w["pointer"]: w["code"] for w in answer.json()["warnings"]}


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({"carried_over": 100, "newly_accepted": 40, "done": 30}, {}),
        ({"carried_over": 101}, {"carried_over": "not_constant"}),
        ({"newly_accepted": 39}, {"newly_accepted": "fell"}),
        ({"done": 29}, {"done": "fell"}),
        ({"enforceable": 80, "done": 30}, {}),
    ],
    ids=["nothing fell", "carried over changed", "accepted fell", "done fell", "enforceable may fall"],
)  # fmt: skip
async def test_cumulative_figures_do_not_fall_within_a_year(
    january: World, counts: dict[str, int], expected: dict[str, str]
) -> None:
    found = await warned(january, report("2022M05", **counts))

    assert found == {f"/reports/0/figures/0/{k}": v for k, v in expected.items()}


async def test_a_month_that_comes_late_is_compared_with_the_one_after(
    january: World,
) -> None:
    found = await warned(january, report("2022M03", done=31))

    assert found == {"/reports/0/figures/0/done": "fell"}


@pytest.mark.parametrize("dry_run", ["false", "true"])
async def test_a_cut_that_others_reported_in_between_hides_nothing(
    january: World, dry_run: str
) -> None:
    """A day's figures of the nation, or of another category, are not A's own cut."""
    between = {**report("2022-02-20", done=1), "unit": "VN"}
    credit = {"measure": "cases", "category": "credit", "enforceable": 9, "done": 1}
    await january.report(between)
    await january.report({**report("2022-02-25"), "figures": [credit]})
    sent = {**report("2022M05", done=29), "figures": [*figures(done=29), credit]}

    found = await warned(january, sent, dry_run=dry_run)

    assert found["/reports/0/figures/0/done"] == "fell"
    assert [code for code in found.values() if code == "fell"] == ["fell"]


@pytest.mark.parametrize("dry_run", ["false", "true"])
async def test_a_row_that_fell_is_said_again_when_only_another_changes(
    january: World, dry_run: str
) -> None:
    def sent(credit: int) -> dict[str, Any]:
        other = {"measure": "cases", "category": "credit", "enforceable": 9}
        return {
            **report("2022M05"),
            "figures": [*figures(done=29), {**other, "done": credit}],
        }

    await january.report(sent(credit=1))

    found = await warned(january, sent(credit=2), dry_run=dry_run)

    assert found == {"/reports/0/figures/0/done": "fell"}


async def test_of_a_report_that_is_new_as_a_whole_each_row_is_held(
    january: World,
) -> None:
    await january.report(report("2022M05", done=40))

    found = await warned(january, report("2022M05", done=29, carried_over=99))

    assert found == {
        "/reports/0/figures/0/carried_over": "not_constant",
        "/reports/0/figures/0/done": "fell",
    }


async def test_a_cut_without_counts_is_looked_past(january: World) -> None:
    rate = [{"measure": "cases", "published_rate": "33.00"}]
    await january.report({**report("2022-02-20"), "figures": rate})

    found = await warned(january, report("2022M05", done=29))

    assert found == {"/reports/0/figures/0/done": "fell"}


async def test_a_month_that_comes_late_passes_over_what_others_reported(
    january: World,
) -> None:
    await january.report({**report("2022-01-15", done=1), "unit": "VN"})

    found = await warned(january, report("2022M03", done=31))

    assert found == {"/reports/0/figures/0/done": "fell"}


async def test_two_months_of_one_body_are_held_against_each_other(
    january: World,
) -> None:
    found = await warned(january, report("2022-03-01", done=40), dry_run="true")
    assert found == {}

    answer = await january.report(
        report("2022-03-01", done=40), report("2022-03-02", done=39), dry_run="true"
    )

    assert [w["pointer"] for w in answer.json()["warnings"]] == [
        "/reports/0/figures/0/done",
        "/reports/1/figures/0/done",
    ]


async def test_a_new_year_begins_anew(january: World) -> None:
    assert await warned(january, report("2021M12", done=900, carried_over=1)) == {}


async def test_a_dry_run_warns_of_what_it_would_store(january: World) -> None:
    found = await warned(january, report("2022M05", done=29), dry_run="true")

    assert found == {"/reports/0/figures/0/done": "fell"}


async def test_a_correction_is_as_it_is(january: World) -> None:
    await january.report(report("2022M05", done=40))
    await january.admin.post("/v1/periods/2022M05/close", json={})

    found = await warned(january, {**report("2022M05", done=20), "reason": "Đếm trùng"})

    assert found == {}


async def test_a_category_that_nobody_declared_is_kept_and_said(january: World) -> None:
    row = {"measure": "cases", "enforceable": 9, "done": 1}
    sent = {
        **report("2022M05"),
        "figures": [{**row, "category": c} for c in ("credit", "creditt")],
    }

    found = await warned(january, sent)

    assert found == {"/reports/0/figures/1/category": "undeclared_category"}


async def test_a_thousand_warnings_are_listed_and_the_rest_are_counted(
    january: World,
) -> None:
    row = {"measure": "cases", "enforceable": 9, "done": 1, "in_progress": 1}
    rows = [{**row, "category": f"c{number}"} for number in range(501)]

    answer = await january.report({**report("2022M05"), "figures": rows})

    *listed, last = answer.json()["warnings"]
    assert len(listed) == 1000
    assert [w["code"] for w in listed] == ["identity_I4"] * 501 + ["undeclared_category"] * 499  # fmt: skip
    assert (last["index"], last["code"]) == (-1, "more_warnings")
    assert last["message"]["en"] == "2 more are not listed."


async def test_an_identity_that_is_only_remembered_warns(january: World) -> None:
    found = await warned(
        january, report("2022M05", enforceable=90, done=40, in_progress=40)
    )

    assert found == {"/reports/0/figures/0/enforceable": "identity_I4"}


async def test_an_identity_that_is_stated_refuses(january: World) -> None:
    answer = await january.report(
        report("2022M05", carried_over=100, newly_accepted=40, total_accepted=139)
    )

    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert (error["code"], error["pointer"]) == (
        "identity_I1",
        "/reports/0/figures/0/total_accepted",
    )
    assert "139" in error["message"]["vi"]
    assert "140" in error["message"]["vi"]

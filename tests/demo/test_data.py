"""The figures of the demonstration are those of the letters, whole and in order."""

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

DEMO = Path(__file__).resolve().parents[2] / "demo"
MEASURES = ("cases", "money")


def load(name: str) -> Any:
    return json.loads((DEMO / name).read_text(encoding="utf-8"))


def units() -> list[dict[str, Any]]:
    both = load("data/units_2022.json")["units"] + load("data/units_2025.json")["units"]
    return list(both)


def provinces() -> list[dict[str, Any]]:
    return [u for u in load("data/units_2022.json")["units"] if u["kind"] == "province"]


def rates(file: str) -> dict[tuple[str, str], Decimal]:
    return {
        (report["unit"], row["measure"]): Decimal(row["published_rate"])
        for report in load(f"data/{file}")["reports"]
        for row in report["figures"]
        if "published_rate" in row
    }


def name_of(code: str) -> str:
    return next(u["name"] for u in units() if u["code"] == code)


def ascending(measure: str) -> list[tuple[str, Decimal]]:
    all_rates = rates("reports_679.json")
    rows = [
        (u, rate) for (u, m), rate in all_rates.items() if m == measure and u != "VN"
    ]
    return sorted(rows, key=lambda row: row[1])


def national(measure: str) -> Decimal:
    return rates("reports_679.json")["VN", measure]


def ranking(measure: str) -> Any:
    return next(r for r in load("expected.json")["rankings"] if r["measure"] == measure)


def test_there_are_63_provinces_of_which_11_were_kept():
    kept = [u["name"] for u in provinces() if u["valid_to"] is None]

    assert len(provinces()) == 63
    assert len(kept) == 11
    assert {u["valid_to"] for u in provinces()} == {None, "2025-07-01"}


def test_every_unit_has_a_code_of_its_own():
    codes = [u["code"] for u in units()]

    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[A-Za-z0-9._-]{1,40}", code) for code in codes)


def test_a_code_leaves_room_for_the_larger_province_of_the_same_name():
    codes = {u["code"] for u in provinces()}
    reserved = {u["code"][:-1] for u in provinces() if u["code"].endswith("1")}

    assert len(reserved) == 23
    assert not reserved & codes
    assert {"BK", "TN1", "BG"} <= codes


def test_a_state_code_names_one_unit_on_any_day():
    spans = [
        (code["code"], code["from"], code["to"] or "9999-12-31")
        for unit in units()
        for code in unit["codes"]
    ]

    overlapping = [
        (a, b)
        for i, a in enumerate(spans)
        for b in spans[i + 1 :]
        if a[0] == b[0] and a[1] < b[2] and b[1] < a[2]
    ]

    assert overlapping == []


def test_a_state_code_lasts_as_long_as_its_unit():
    for unit in units():
        for code in unit["codes"]:
            assert (code["from"], code["to"]) == (unit["valid_from"], unit["valid_to"])


def test_no_name_or_alias_stands_for_two_provinces_of_2022():
    spellings = [s.casefold() for u in provinces() for s in {u["name"], *u["aliases"]}]

    assert len(set(spellings)) == len(spellings)


@pytest.mark.parametrize(
    ("spelling", "code"),
    [
        ("Đông Tháp", "DT1"),
        ("Hung Yên", "HY1"),
        ("TT Huế", "HUE"),
        ("BR-Vũng Tàu", "BRVT"),
    ],
)
def test_spellings_of_the_letter_are_aliases(spelling: str, code: str):
    assert [u["code"] for u in provinces() if spelling in u["aliases"]] == [code]


def test_every_parent_stands_and_was_there_in_time():
    known = {u["code"]: u for u in units()}

    for unit in units():
        if unit["parent"] == "VN":
            continue
        parent = known[unit["parent"]]
        assert parent["valid_from"] <= unit["valid_from"]
        assert (unit["valid_to"] or "9") <= (parent["valid_to"] or "9")


@pytest.mark.parametrize("measure", MEASURES)
def test_g01_each_appendix_ranks_63_provinces_without_ties(measure: str):
    items = ranking(measure)["items"]
    printed = [Decimal(item["rate"]) for item in items]

    assert {item["unit"] for item in items} == {u["code"] for u in provinces()}
    assert printed == sorted(set(printed), reverse=True)
    assert [item["rank"] for item in items] == list(range(1, 64))
    assert all(item["stt"] == item["rank"] + 1 for item in items)


@pytest.mark.parametrize(
    ("measure", "lowest"),
    [
        pytest.param(
            "cases",
            [
                "Trà Vinh 23.17",
                "Đà Nẵng 25.03",
                "Bạc Liêu 28.64",
                "Tây Ninh 31.35",
                "Cà Mau 31.87",
            ],
            id="G02",
        ),
        pytest.param(
            "money",
            [
                "Quảng Nam 2.90",
                "Ninh Bình 7.48",
                "Hà Nội 9.13",
                "Vĩnh Long 9.45",
                "Cà Mau 9.49",
            ],
            id="G03",
        ),
    ],
)
def test_the_five_lowest_are_those_the_letter_names(measure: str, lowest: list[str]):
    expected = ranking(measure)["lowest_five"]

    assert [
        f"{name_of(unit)} {rate}" for unit, rate in ascending(measure)[:5]
    ] == lowest
    assert [f"{name_of(row['unit'])} {row['rate']}" for row in expected] == lowest


@pytest.mark.parametrize(
    ("measure", "rate", "mean"),
    [("cases", "41.54", "46.49"), ("money", "16.20", "20.00")],
)
def test_g04_the_national_rate_is_not_the_mean_of_the_63(
    measure: str, rate: str, mean: str
):
    values = [value for _, value in ascending(measure)]

    assert national(measure) == Decimal(rate)
    assert round(sum(values, Decimal(0)) / 63, 2) == Decimal(mean)


@pytest.mark.parametrize(
    ("measure", "above", "below"), [("cases", 41, 22), ("money", 36, 27)]
)
def test_g05_provinces_above_the_national_rate(measure: str, above: int, below: int):
    values = [value for _, value in ascending(measure)]

    assert sum(value > national(measure) for value in values) == above
    assert sum(value < national(measure) for value in values) == below
    assert (ranking(measure)["above_national"], ranking(measure)["below_national"]) == (
        above,
        below,
    )


def test_g06_only_ca_mau_is_in_both_lowest_fives():
    cases, money = ({unit for unit, _ in ascending(m)[:5]} for m in MEASURES)

    assert cases & money == {"CM1"}
    assert load("expected.json")["in_both_lowest_fives"] == ["CM1"]


@pytest.mark.parametrize("measure", MEASURES)
def test_the_expected_order_is_the_order_of_the_reports(measure: str):
    descending = [(unit, str(rate)) for unit, rate in reversed(ascending(measure))]
    expected = ranking(measure)

    assert [(i["unit"], i["rate"]) for i in expected["items"]] == descending
    assert all(
        Decimal(i["above_national"]) == Decimal(i["rate"]) - national(measure)
        for i in expected["items"]
    )
    assert expected["head"] == [unit for unit, _ in descending[:5]]
    assert expected["tail"] == [unit for unit, _ in descending[-5:]]


def test_the_made_up_baseline_is_valid_and_half_of_it_lies_higher():
    now, before = (
        rates("reports_679.json"),
        rates("reports_last_year_illustrative.json"),
    )
    fell = {
        m: [u for (u, mm), r in before.items() if mm == m and now[u, m] < r]
        for m in MEASURES
    }

    assert len(before) == 126
    assert not any(unit == "VN" for unit, _ in before)
    assert all(0 < rate < 100 and rate != now[key] for key, rate in before.items())
    assert all(25 <= len(fell[m]) <= 38 for m in MEASURES)
    for row in load("expected.json")["below_last_year_illustrative"]:
        assert (row["units"], row["count"]) == (
            fell[row["measure"]],
            len(fell[row["measure"]]),
        )


def test_what_is_made_up_says_so():
    made_up = [
        report
        for file in sorted((DEMO / "data").glob("report*.json"))
        for report in json.loads(file.read_text(encoding="utf-8"))["reports"]
        if report["unit"].startswith("VD-") or report["period"] == "2021M05"
    ]

    assert len(made_up) == 66
    assert all(report["source"]["illustrative"] for report in made_up)


def test_rates_of_the_telegram_and_their_shortfalls_close_to_one_target():
    for row in load("expected.json")["scorecards"]:
        if row["period"] == "2025-09-12" and not row["met"]:
            total = Decimal(row["rate"]) + Decimal(row["shortfall"]["points"])
            assert total == Decimal(row["target"]["rate"])


@pytest.mark.parametrize("unit", ["VD-542", "VD-543"])
def test_illustrative_counts_print_79_07_and_lack_what_is_expected(unit: str):
    reports = load("data/reports_thai_nguyen.json")["reports"]
    (figures,) = next(r["figures"] for r in reports if r["unit"] == unit)
    card = next(c for c in load("expected.json")["scorecards"] if c["unit"] == unit)
    enforceable, done = figures["enforceable"], figures["done"]
    lacking = Decimal("84.05") * enforceable / 100 - done

    assert round(Decimal(100 * done) / enforceable, 2) == Decimal("79.07")
    assert lacking == Decimal(card["shortfall"]["exact"])
    assert card["shortfall"]["needed"] - 1 < lacking <= card["shortfall"]["needed"]


def test_bac_giang_a_year_earlier_follows_from_its_points():
    rows = load("data/reports_bac_giang.json")["reports"][0]["figures"]
    before = rates("reports_bac_giang.json")
    points = {
        c["measure"]: Decimal(c["last_year"]["points"])
        for c in load("expected.json")["scorecards"]
        if c["unit"] == "BG"
    }

    for row in rows:
        now = round(Decimal(100 * row["done"]) / row["enforceable"], 2)
        assert now - before["BG", row["measure"]] == points[row["measure"]]

"""Scorecards and rankings: the set-based SQL against the plain definition."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

import asyncpg
import httpx
import pytest

from services.ingest.domain.names import sort_key
from tests.support.world import World, until

pytestmark = pytest.mark.anyio

PERIOD, BEFORE = "2022M05", "2021M05"
Cell = tuple[str, str, str]
Row = dict[str, Any]


# The definition, row by row ----------------------------------------------------------


@dataclass(frozen=True)
class Expected:
    """What the page on arithmetic says of one row."""

    done: int | None
    basis: str | None
    rate: str | None

    @classmethod
    def of(cls, row: Row) -> Expected:
        done, basis = cls._done(row)
        enforceable, rate = row.get("enforceable"), row.get("published_rate")
        if enforceable == 0:
            rate = None
        elif done is not None and enforceable is not None:
            exact = Fraction(100 * done, enforceable)
            hundredths = (exact * 100 + Fraction(1, 2)).__floor__()
            rate = f"{hundredths // 100}.{hundredths % 100:02d}"
        elif rate is not None:
            rate = str(Decimal(rate).quantize(Decimal("0.01"), ROUND_HALF_UP))
        return cls(done, basis, rate)

    @staticmethod
    def _done(row: Row) -> tuple[int | None, str | None]:
        if "done" in row:
            return row["done"], "given"
        if "completed" in row and "terminated" in row:
            return row["completed"] + row["terminated"] + row.get("reduced", 0), "split"
        if "completed" in row:
            return row["completed"], "inclusive"
        return None, "published_rate" if "published_rate" in row else None


def ranks(rates: dict[str, Decimal], *, from_bottom: bool = False) -> dict[str, int]:
    """1, 2, 2, 4: one more than the rows that are strictly better."""
    better = (lambda a, b: a < b) if from_bottom else (lambda a, b: a > b)
    return {
        unit: 1 + sum(better(other, rate) for other in rates.values())
        for unit, rate in rates.items()
    }


# A random corpus ---------------------------------------------------------------------

KINDS = {"VN": "national"}
PARENTS: dict[str, str] = {}
for _p in range(12):
    KINDS[f"P{_p}"], PARENTS[f"P{_p}"] = "province", "VN"
    for _o in range(3):
        KINDS[f"P{_p}-{_o}"], PARENTS[f"P{_p}-{_o}"] = "office", f"P{_p}"
CELLS = [
    (measure, category)
    for measure in ("cases", "money")
    for category in ("all", "credit", "corruption")
]


def random_row(dice: random.Random, measure: str, category: str) -> Row:
    """Any of the ways in which a row may be reported; few rates, so that they tie."""
    row: Row = {"measure": measure, "category": category}
    way = dice.choice(
        ["given", "split", "inclusive", "rate", "both", "zero", "other", "edge"]
    )
    size = dice.choice([8, 60, 10**7, 2**53 - 1])
    enforceable = dice.randint(1, size)
    done = dice.randint(0, enforceable)
    match way:
        case "given":
            row |= {"enforceable": enforceable, "done": done}
        case "split":
            first = dice.randint(0, done)
            row |= {"enforceable": enforceable, "completed": first}
            row["terminated"] = done - first
            if measure == "money" and dice.random() < 0.5:
                reduced = dice.randint(0, row["terminated"])
                row |= {"terminated": row["terminated"] - reduced, "reduced": reduced}
        case "inclusive":
            row |= {"enforceable": enforceable, "completed": done}
        case "rate":
            row["published_rate"] = f"{dice.randint(0, 40) * 5 / 2:.2f}"
        case "both":
            row |= {"enforceable": enforceable, "done": done}
            row["published_rate"] = Expected.of(row).rate
        case "zero":
            row |= {"enforceable": 0, "done": 0}
        case "other":
            row |= {"enforceable": enforceable, "separate_ledger": 1}
        case "edge":
            # As little below a half as can be: no division to some places sees it.
            enforceable = 2**53 - 10 * dice.randint(1, 10**9) - 1
            halves = pow(enforceable, -1, 20_000)
            done = (halves * enforceable - 1) // 20_000
            row |= {"enforceable": enforceable, "done": done}
    return row


@dataclass
class Corpus:
    """A scored world, and the rows that were sent to it."""

    world: World
    sent: dict[Cell, Row]
    before: dict[Cell, Row]

    def expected(self, measure: str, category: str, kind: str) -> dict[str, Expected]:
        return {
            unit: Expected.of(row)
            for (unit, m, c), row in self.sent.items()
            if (m, c) == (measure, category) and KINDS[unit] == kind
        }

    def rated(self, measure: str, category: str, kind: str) -> dict[str, Decimal]:
        rows = self.expected(measure, category, kind)
        return {u: Decimal(e.rate) for u, e in rows.items() if e.rate is not None}


@pytest.fixture(scope="module")
async def corpus(template: str) -> AsyncIterator[Corpus]:
    """About three hundred rows of this period and as many of a year earlier."""
    owner = await asyncpg.connect(template)
    await owner.execute("CREATE DATABASE scorecards TEMPLATE template_dondoc")
    async with World.running(f"{template.rsplit('/', 1)[0]}/scorecards") as world:
        yield await _filled(world)
    await owner.execute("DROP DATABASE scorecards WITH (FORCE)")
    await owner.close()


async def _filled(world: World) -> Corpus:
    dice = random.Random(20220308)
    await put_units(
        world,
        *(unit(code, parent, KINDS[code]) for code, parent in PARENTS.items()),
        # A child that reports nothing: no row of this corpus is a sum of children.
        *(unit(f"{code}-silent", code, "office") for code in KINDS),
    )
    found = Corpus(world, {}, {})
    for period, kept in ((BEFORE, found.before), (PERIOD, found.sent)):
        reports = []
        for code in KINDS:
            # A province that is silent would be the sum of its offices.
            often = 1 if KINDS[code] == "province" else 0.85
            cells = [cell for cell in CELLS if dice.random() < often]
            rows = [random_row(dice, *cell) for cell in cells]
            kept |= {(code, r["measure"], r["category"]): r for r in rows}
            if rows:
                reports.append({"unit": code, "period": period, "figures": rows})
        answer = await world.report(*reports)
        assert answer.status_code == 202, answer.text
        await world.evaluated(answer.json()["batch"])
    return found


def unit(code: str, parent: str = "VN", kind: str = "province", **more: Any) -> Row:
    return {
        "code": code,
        "name": more.pop("name", code),
        "kind": kind,
        "parent": parent,
        "valid_from": "2010-01-01",
        **more,
    }


async def put_units(world: World, *units: Row) -> None:
    answer = await world.admin.put("/v1/units", json={"units": list(units)})
    assert answer.status_code == 200, answer.text


async def scorecards(
    client: httpx.AsyncClient, **query: object
) -> list[dict[str, Any]]:
    answer = await client.get(
        "/v1/scorecards", params={"period": PERIOD, "limit": 1000, **query}
    )
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


def cell(card: dict[str, Any]) -> Cell:
    return card["unit"], card["measure"], card["category"]


async def test_every_row_has_the_rate_of_its_definition(corpus: Corpus) -> None:
    cards = {cell(card): card for card in await scorecards(corpus.world.admin)}

    shown = {
        at: Expected(card["done"], card["done_basis"], card["rate"])
        for at, card in cards.items()
    }

    assert len(shown) > 200
    assert shown == {at: Expected.of(row) for at, row in corpus.sent.items()}
    assert {at: card["enforceable"] for at, card in cards.items()} == {
        at: row.get("enforceable") for at, row in corpus.sent.items()
    }


async def test_a_row_without_a_rate_says_why(corpus: Corpus) -> None:
    unrated = [
        card for card in await scorecards(corpus.world.admin) if card["rate"] is None
    ]

    assert len(unrated) > 10
    for card in unrated:
        no_denominator = card["enforceable"] == 0
        assert card["why"]["rate"] == (
            "no_denominator" if no_denominator else "no_figures"
        )
        assert card["rank"] is None
        assert card["above_national"] is None
        assert card["last_year"]["points"] is None


async def test_every_rank_is_that_of_its_definition(corpus: Corpus) -> None:
    cards = {cell(card): card for card in await scorecards(corpus.world.admin)}
    stored = {
        (r["unit"], r["measure"], r["category"]): r["rank_from_bottom"]
        for r in await corpus.world.owner.fetch(
            "SELECT * FROM scoring.scorecard WHERE period = $1", PERIOD
        )
    }

    ties = 0
    for measure, category in CELLS:
        for kind in ("province", "office"):
            rates = corpus.rated(measure, category, kind)
            top, bottom = ranks(rates), ranks(rates, from_bottom=True)
            ties += len(rates) - len(set(rates.values()))
            for code in corpus.expected(measure, category, kind):
                card = cards[code, measure, category]
                place = top.get(code)
                assert card["rank"] == (
                    {"position": place, "of": len(rates), "under": "VN"}
                    if place
                    else None
                )
                assert stored[code, measure, category] == bottom.get(code)
    assert ties > 5, "the corpus must have ties to judge"


async def test_the_national_row_is_never_ranked(corpus: Corpus) -> None:
    cards = await scorecards(corpus.world.admin, kind="national")

    assert cards
    assert {card["rank"] for card in cards} == {None}
    listed = await corpus.world.admin.get(f"/v1/rankings/{PERIOD}?kind=national")
    assert listed.json()["items"] == []


async def test_last_year_is_as_reported_or_none_with_a_why(corpus: Corpus) -> None:
    seen = set()
    for card in await scorecards(corpus.world.admin):
        last, row = card["last_year"], corpus.before.get(cell(card))
        before = None if row is None else Expected.of(row).rate
        assert (last["period"], last["rate"]) == (BEFORE, before)
        if before is None:
            why = "not_reported" if row is None else "no_rate"
            assert (last["basis"], last["why"], last["points"]) == ("none", why, None)
            seen.add(why)
        else:
            assert last["basis"] == "as_reported"
            assert "why" not in last
            if card["rate"] is not None:
                points = Decimal(card["rate"]) - Decimal(before)
                assert last["points"] == str(points)
                seen.add("as_reported")

    assert seen == {"as_reported", "not_reported", "no_rate"}


async def test_the_distance_to_the_nation_is_between_published_rates(
    corpus: Corpus,
) -> None:
    cards = {cell(card): card for card in await scorecards(corpus.world.admin)}

    compared = 0
    for (_, measure, category), card in cards.items():
        nation = cards.get(("VN", measure, category), {}).get("rate")
        if nation is None or card["rate"] is None:
            assert card["above_national"] is None
        else:
            compared += 1
            difference = Decimal(card["rate"]) - Decimal(nation)
            assert card["above_national"] == str(difference)
    assert compared > 50


async def test_a_ranking_is_the_definition_in_order(corpus: Corpus) -> None:
    for measure, category in CELLS:
        answer = await corpus.world.admin.get(
            f"/v1/rankings/{PERIOD}",
            params={"measure": measure, "category": category, "limit": 1000},
        )
        shown = answer.json()

        rated = corpus.rated(measure, category, "province")
        everyone = corpus.expected(measure, category, "province")
        order = sorted(
            everyone, key=lambda u: (-rated.get(u, Decimal(-1)), sort_key(u))
        )
        place, nation = ranks(rated), corpus.sent.get(("VN", measure, category))
        first = 2 if nation else 1
        assert [i["unit"] for i in shown["items"]] == order
        assert [i["rank"] for i in shown["items"]] == [place.get(u) for u in order]
        assert [i["stt"] for i in shown["items"]] == list(
            range(first, first + len(order))
        )
        if nation is None:
            assert shown["national"] is None
        else:
            assert shown["national"]["stt"] == 1
            assert shown["national"]["rate"] == Expected.of(nation).rate


async def test_a_ranking_under_a_province_counts_only_its_own(corpus: Corpus) -> None:
    answer = await corpus.world.admin.get(
        f"/v1/rankings/{PERIOD}", params={"kind": "office", "under": "P3"}
    )

    items = answer.json()["items"]
    rated = {
        u: r
        for u, r in corpus.rated("cases", "all", "office").items()
        if PARENTS[u] == "P3"
    }
    assert {i["unit"]: i["rank"] for i in items if i["rate"]} == ranks(rated)
    assert {PARENTS[i["unit"]] for i in items} == {"P3"}


@pytest.mark.parametrize("limit", [1, 7, 100])
async def test_pages_show_every_scorecard_once_in_one_order(
    corpus: Corpus, limit: int
) -> None:
    query = {"measure": "cases", "category": "all", "limit": limit}
    seen, cursor = [], None
    while True:
        more = {"cursor": cursor} if cursor else {}
        answer = await corpus.world.admin.get(
            "/v1/scorecards", params={"period": PERIOD, **query, **more}
        )
        page = answer.json()
        assert len(page["items"]) <= limit
        seen += [card["unit"] for card in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break

    assert seen == sorted(
        (u for u, m, c in corpus.sent if (m, c) == ("cases", "all")),
        key=lambda code: (sort_key("Toàn quốc" if code == "VN" else code), code),
    )


async def test_pages_of_a_ranking_show_every_line_once(corpus: Corpus) -> None:
    whole = await corpus.world.admin.get(f"/v1/rankings/{PERIOD}")
    lines, cursor = [], None
    while True:
        params = {"limit": 5} | ({"cursor": cursor} if cursor else {})
        answer = await corpus.world.admin.get(f"/v1/rankings/{PERIOD}", params=params)
        lines += answer.json()["items"]
        cursor = answer.json()["next"]
        if cursor is None:
            break

    assert lines == whole.json()["items"]


async def test_all_rows_of_one_unit_are_the_rows_of_the_list(corpus: Corpus) -> None:
    answer = await corpus.world.admin.get(f"/v1/scorecards/P4/{PERIOD}")

    shown = answer.json()
    listed = [c for c in await scorecards(corpus.world.admin) if c["unit"] == "P4"]
    assert (shown["unit"], shown["period"]) == ("P4", PERIOD)
    own = {"indicators", "origin"}
    assert [
        {**{k: v for k, v in c.items() if k not in own}, "known_at": ""}
        for c in shown["items"]
    ] == [{**c, "known_at": ""} for c in listed]


# Whose eyes --------------------------------------------------------------------------


async def test_a_scoped_key_sees_its_own_rows_with_their_true_ranks(
    corpus: Corpus,
) -> None:
    client = await corpus.world.client("analyst", under="P5")

    own = await scorecards(client)

    mine = {u for u in KINDS if u == "P5" or PARENTS.get(u) == "P5"}
    true = {
        cell(card): card
        for card in await scorecards(corpus.world.admin)
        if card["unit"] in mine
    }
    assert {cell(card) for card in own} == set(true)
    for card in own:
        assert {**card, "known_at": ""} == {**true[cell(card)], "known_at": ""}


async def test_a_scoped_key_sees_its_place_and_the_national_row(corpus: Corpus) -> None:
    client = await corpus.world.client("analyst", under="P5")
    query = {"measure": "cases", "category": "all"}

    shown = (await client.get(f"/v1/rankings/{PERIOD}", params=query)).json()
    whole = (
        await corpus.world.admin.get(f"/v1/rankings/{PERIOD}", params=query)
    ).json()

    own = next(line for line in whole["items"] if line["unit"] == "P5")
    assert shown["national"] == whole["national"]
    assert shown["items"] == [{**own, "stt": 2 if whole["national"] else 1}]
    csv = await client.get(f"/v1/rankings/{PERIOD}", params={**query, "format": "csv"})
    assert csv.text.count("\r\n") == 2 + (whole["national"] is not None)


@pytest.mark.parametrize(
    "path",
    [
        f"/v1/scorecards/UNIT/{PERIOD}",
        f"/v1/scorecards?period={PERIOD}&under=UNIT",
        f"/v1/rankings/{PERIOD}?under=UNIT",
        f"/v1/rankings/{PERIOD}?under=UNIT&format=csv",
        "/v1/targets?unit=UNIT",
    ],
)
async def test_a_unit_outside_answers_404_as_one_that_is_nowhere(
    corpus: Corpus, path: str
) -> None:
    client = await corpus.world.client("analyst", under="P5")

    outside = await client.get(path.replace("UNIT", "P6"))
    nowhere = await client.get(path.replace("UNIT", "QQ"))

    assert (outside.status_code, outside.json()["code"]) == (404, "unknown_unit")
    assert outside.text.replace("P6", "QQ") == nowhere.text


async def test_an_office_does_not_see_its_province(corpus: Corpus) -> None:
    client = await corpus.world.client("analyst", under="P5-1")

    above = await client.get(f"/v1/scorecards/P5/{PERIOD}")
    nation = await client.get(f"/v1/scorecards/VN/{PERIOD}")
    report = await client.get("/v1/reports", params={"unit": "VN", "period": PERIOD})

    assert [a.status_code for a in (above, nation, report)] == [404, 404, 404]


# A ranking to the byte ---------------------------------------------------------------


async def test_a_ranking_as_csv_to_the_byte(world: World) -> None:
    await world.tree()

    def rated(code: str, **members: Any) -> Row:
        figures = [{"measure": "cases", "category": "all", **members}]
        return {"unit": code, "period": PERIOD, "figures": figures}

    await world.report(
        rated("VN", published_rate="41.54"),
        rated("HUE", enforceable=10, done=5),
        rated("DNA1", published_rate="50.00"),
        rated("BG", published_rate="39"),
        rated("HN", enforceable=0, done=0),
        wait=10,
    )

    answer = await world.admin.get(f"/v1/rankings/{PERIOD}?format=csv&limit=2")

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.content.decode() == (
        "stt,rank,unit,name,rate,above_national\r\n"
        "1,,VN,Toàn quốc,41.54,\r\n"
        "2,1,DNA1,Đà Nẵng,50.00,8.46\r\n"
        "3,1,HUE,Huế,50.00,8.46\r\n"
        "4,3,BG,Bắc Giang,39.00,-2.54\r\n"
        "5,,HN,Hà Nội,,\r\n"
    )


async def test_without_a_national_row_the_first_line_is_a_unit(world: World) -> None:
    await world.tree()
    figures = [{"measure": "cases", "published_rate": "39.00"}]
    await world.report({"unit": "BG", "period": PERIOD, "figures": figures}, wait=10)

    answer = await world.admin.get(f"/v1/rankings/{PERIOD}?format=csv")

    assert answer.text == (
        "stt,rank,unit,name,rate,above_national\r\n1,1,BG,Bắc Giang,39.00,\r\n"
    )


# Targets -----------------------------------------------------------------------------

YEARS = iter(range(2012, 2040))


@dataclass(frozen=True)
class Year:
    """A working year of one test's own: a target of another year does not reach it."""

    world: World
    year: int

    @property
    def period(self) -> str:
        return f"{self.year}M06"

    async def set(self, *targets: Row) -> dict[str, int]:
        """Set targets, and wait until every period that they touch is scored again."""
        body = {"targets": [{"year": self.year, **one} for one in targets]}
        answer = await self.world.admin.put("/v1/targets", json=body)
        assert answer.status_code == 200, answer.text

        async def idle() -> bool:
            waiting = "SELECT count(*) FROM platform.event"
            return bool(await self.world.owner.fetchval(waiting) == 0)

        await until(idle)
        counts: dict[str, int] = answer.json()
        return counts

    async def held(self, **query: object) -> dict[str, tuple[str, str | None] | None]:
        """Unit → the rate of its target and whose it is."""
        query = {"measure": "cases", "category": "all", "period": self.period, **query}
        return {
            card["unit"]: card["target"]
            and (card["target"]["rate"], card["target"]["inherited_from"])
            for card in await scorecards(self.world.admin, **query)
        }

    async def officer(self, measure: str = "cases") -> dict[str, Any]:
        """The scorecard at the foot of the tree: 400 of 1000 cases, 40.00 of money."""
        (card,) = await scorecards(
            self.world.admin,
            kind="officer",
            measure=measure,
            category="all",
            period=self.period,
        )
        return card


@pytest.fixture(scope="module")
async def offices(template: str) -> AsyncIterator[World]:
    """A province with an office and an officer, and a province beside it."""
    owner = await asyncpg.connect(template)
    await owner.execute("CREATE DATABASE targets TEMPLATE template_dondoc")
    url, late = f"{template.rsplit('/', 1)[0]}/targets", "2040-10-01T08:00:00+07:00"
    async with World.running(url, now=late) as world:
        await put_units(
            world,
            unit("A"),
            unit("A1", "A", "office"),
            unit("A1a", "A1", "officer"),
            unit("B"),
        )
        yield world
    await owner.execute("DROP DATABASE targets WITH (FORCE)")
    await owner.close()


@pytest.fixture
async def small(offices: World) -> Year:
    """A year in which all of them reported half a year."""
    year = Year(offices, next(YEARS))
    rows = [
        {"measure": "cases", "category": "all", "enforceable": 1000, "done": 400},
        {"measure": "cases", "category": "credit", "enforceable": 10, "done": 4},
        {"measure": "money", "category": "all", "published_rate": "40.00"},
    ]
    await offices.report(
        *(
            {"unit": code, "period": year.period, "figures": rows}
            for code in ("VN", "A", "A1", "A1a", "B")
        ),
        wait=10,
    )
    return year


def target(unit: str, rate: str, **more: Any) -> Row:
    return {
        "unit": unit,
        "measure": "cases",
        "rate": rate,
        "operator": "at_least",
        "document": {"number": "1/QĐ", "date": "2021-12-24"},
        **more,
    }


async def test_the_nearest_target_up_the_tree_holds(small: Year) -> None:
    counts = await small.set(target("VN", "81.50"), target("A", "84.05"))

    assert counts == {"created": 2, "updated": 0, "unchanged": 0}
    assert await small.held() == {
        "VN": ("81.50", None),
        "A": ("84.05", None),
        "A1": ("84.05", "A"),
        "A1a": ("84.05", "A"),
        "B": ("81.50", "VN"),
    }
    assert set((await small.held(measure="money")).values()) == {None}


async def test_a_category_never_inherits_from_all(small: Year) -> None:
    await small.set(target("VN", "81.50"))
    before = await small.held(category="credit")

    await small.set(target("A", "60.00", category="credit"))
    after = await small.held(category="credit")

    assert set(before.values()) == {None}
    assert after["A1a"] == ("60.00", "A")
    assert after["B"] is None
    assert (await small.held())["A"] == ("81.50", "VN")


async def test_without_a_target_nothing_is_judged(small: Year) -> None:
    await small.set(target("VN", "81.50", year=small.year - 1))

    card = await small.officer()

    assert (card["target"], card["met"], card["shortfall"]) == (None, None, None)
    assert {card["why"][name] for name in ("target", "met", "shortfall")} == {
        "no_target"
    }


async def test_an_amended_target_scores_again_and_the_old_stays_kept(
    small: Year,
) -> None:
    await small.set(target("VN", "81.50"))
    document = {"number": "2/QĐ", "date": "2022-01-02", "amends": "1/QĐ"}

    same = await small.set(target("VN", "81.5"))
    counts = await small.set(target("VN", "40.00", document=document))

    card = await small.officer()
    assert same == {"created": 0, "updated": 0, "unchanged": 1}
    assert counts == {"created": 0, "updated": 1, "unchanged": 0}
    assert card["target"]["rate"] == "40.00"
    assert card["target"]["document"] == document
    assert card["met"] is True
    assert card["shortfall"] == {"points": "0.00", "exact": "0", "needed": 0}
    answer = await small.world.admin.get(f"/v1/targets?unit=VN&year={small.year}")
    listed = [(t["rate"], t["document"]["number"]) for t in answer.json()["items"]]
    assert listed == [("40.00", "2/QĐ")]
    kept = "SELECT rate FROM scoring.target WHERE year = $1 ORDER BY id"
    rows = await small.world.owner.fetch(kept, small.year)
    assert [str(row["rate"]) for row in rows] == ["81.50", "40.00"]


async def test_the_operator_decides_at_the_target_itself(small: Year) -> None:
    await small.set(target("VN", "40.00", operator="more_than"))

    card = await small.officer()

    assert card["met"] is False
    assert card["shortfall"] == {"points": "0.00", "exact": "0", "needed": 1}


async def test_a_shortfall_without_counts_knows_its_points_only(small: Year) -> None:
    await small.set(target("VN", "52.08", measure="money"))

    card = await small.officer("money")

    assert card["shortfall"] == {"points": "12.08", "exact": None, "needed": None}
    assert card["why"]["shortfall.needed"] == "no_counts"


async def test_a_target_without_counts_that_is_met_needs_nothing(small: Year) -> None:
    await small.set(target("VN", "40.00", measure="money"))

    card = await small.officer("money")

    assert card["met"] is True
    assert card["shortfall"] == {"points": "0.00", "exact": None, "needed": 0}


async def test_a_target_pro_rata_asks_for_its_share(small: Year) -> None:
    await small.set(target("VN", "84.05", basis="pro_rata"))

    assert (await small.held())["A"] == ("42.03", "VN")
    shown = await small.world.admin.get(f"/v1/scorecards/A/{small.period}")
    set_as = {
        (card["measure"], card["category"]): card["origin"]["target"]
        for card in shown.json()["items"]
    }
    assert set_as["cases", "all"] == {
        **{"unit": "VN", "rate": "84.05", "operator": "at_least", "basis": "pro_rata"},
        "document": {"number": "1/QĐ", "date": "2021-12-24"},
    }
    assert set_as["cases", "credit"] is set_as["money", "all"] is None


async def test_a_target_by_table_speaks_only_of_its_periods(small: Year) -> None:
    earlier = f"{small.year}M04"
    figures = [{"measure": "cases", "published_rate": "10.00"}]
    report = {"unit": "B", "period": earlier, "figures": figures}
    await small.world.report(report, wait=10)

    table = {f"{small.year}-03-31": "38.5", f"{small.year}M07": "41.95"}
    await small.set(target("VN", "84.05", basis=table))

    assert (await small.held())["A"] == ("38.50", "VN")
    assert await small.held(period=earlier) == {"B": None}


async def test_where_the_nearest_table_is_silent_no_target_holds(small: Year) -> None:
    """The target of the unit above is not that of this one: its own decision stands."""
    table = {f"{small.year}M07": "41.95"}
    await small.set(target("VN", "81.50"), target("A", "84.05", basis=table))

    assert await small.held() == {"VN": ("81.50", None), "A": None, "A1": None, "A1a": None, "B": ("81.50", "VN")}  # fmt: skip
    assert (await small.officer())["why"]["target"] == "no_target_for_period"


async def test_the_history_of_a_target_lists_what_was_amended(small: Year) -> None:
    second = {"number": "2/QĐ", "date": "2022-01-02", "amends": "1/QĐ"}
    await small.set(target("A", "81.50"))
    await small.set(target("A", "82.00", document=second))

    answer = await small.world.admin.get(
        f"/v1/targets?unit=A&year={small.year}&history=true"
    )

    listed = [(t["rate"], t["in_force"]) for t in answer.json()["items"]]
    assert listed == [("81.50", False), ("82.00", True)]


@pytest.mark.parametrize(
    ("document", "pointer", "code"),
    [
        pytest.param({"number": "2/QĐ", "date": "2022-01-02", "amends": "9/QĐ"}, "/targets/0/document/amends", "amends_unknown", id="what was never set"),
        pytest.param({"number": "2/QĐ", "date": "2021-12-23", "amends": "1/QĐ"}, "/targets/0/document/date", "amends_later", id="what was decided later"),
    ],
)  # fmt: skip
async def test_an_amendment_that_contradicts_its_chain_is_refused(
    small: Year, document: Row, pointer: str, code: str
) -> None:
    await small.set(target("A", "81.50"))
    body = {"targets": [target("A", "70.00", year=small.year, document=document)]}

    answer = await small.world.admin.put("/v1/targets", json=body)

    assert answer.status_code == 422
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [
        (pointer, code)
    ]
    assert (await small.held())["A"] == ("81.50", None)


@pytest.mark.parametrize(
    ("more", "pointer"),
    [
        pytest.param({"rate": 84.05}, "/targets/1/rate", id="a rate as a number"),
        pytest.param({"rate": "84.055"}, "/targets/1/rate", id="three decimals"),
        pytest.param({"operator": ">"}, "/targets/1/operator", id="a sign"),
        pytest.param({"year": 2022.0}, "/targets/1/year", id="a year as a decimal"),
        pytest.param({"basis": "monthly"}, "/targets/1/basis", id="an unknown basis"),
        pytest.param({"basis": {}}, "/targets/1/basis", id="an empty table"),
        pytest.param({"basis": {"2022M05": 5}}, "/targets/1/basis/2022M05", id="a number in a table"),
        pytest.param({"basis": {"2022M13": "5"}}, "/targets/1/basis/2022M13", id="no such period"),
        pytest.param({"unit": "QQ"}, "/targets/1/unit", id="an unknown unit"),
        pytest.param({"unit": "P1"}, "/targets/1", id="the same target twice"),
        pytest.param({"document": {"number": "1"}}, "/targets/1/document/date", id="a document of no day"),
        pytest.param({"colour": "red"}, "/targets/1/colour", id="an unknown field"),
    ],
)  # fmt: skip
async def test_a_bad_target_is_422_at_its_pointer(
    corpus: Corpus, more: Row, pointer: str
) -> None:
    first, second = target("P1", "84.05", year=2022), target("P2", "84.05", year=2022)

    answer = await corpus.world.admin.put(
        "/v1/targets", json={"targets": [first, {**second, **more}]}
    )

    assert answer.status_code == 422
    pointers = {error["pointer"] for error in answer.json()["errors"]}
    assert pointer in pointers <= {pointer, "/targets/1/basis"}
    kept = await corpus.world.owner.fetchval("SELECT count(*) FROM scoring.target")
    assert kept == 0


# Revisions ---------------------------------------------------------------------------


async def test_a_withdrawn_row_loses_its_scorecard_and_others_their_place(
    world: World,
) -> None:
    await put_units(world, unit("A"), unit("B"))

    def rated(code: str, rate: str) -> Row:
        figures = [{"measure": "cases", "published_rate": rate}]
        return {"unit": code, "period": PERIOD, "figures": figures}

    await world.report(rated("A", "60.00"), rated("B", "50.00"), wait=10)
    taken_back = [{"measure": "cases", "withdrawn": True}]
    await world.report({"unit": "A", "period": PERIOD, "figures": taken_back}, wait=10)

    (card,) = await scorecards(world.admin)
    gone = await world.admin.get(f"/v1/scorecards/A/{PERIOD}")

    assert card["unit"] == "B"
    assert card["rank"] == {"position": 1, "of": 1, "under": "VN"}
    assert (gone.status_code, gone.json()["code"]) == (404, "not_reported")


async def test_last_year_corrected_changes_this_year(world: World) -> None:
    await put_units(world, unit("A"))

    async def rated(period: str, rate: str) -> None:
        figures = [{"measure": "cases", "published_rate": rate}]
        await world.report({"unit": "A", "period": period, "figures": figures}, wait=10)

    await rated(PERIOD, "50.00")
    await rated(BEFORE, "45.50")
    (first,) = await scorecards(world.admin)
    await rated(BEFORE, "55.50")
    (second,) = await scorecards(world.admin)

    assert first["last_year"]["points"] == "4.50"
    assert second["last_year"]["points"] == "-5.50"

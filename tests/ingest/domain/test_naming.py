"""Printed names and the units that they mean."""

from __future__ import annotations

import unicodedata
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.naming import Naming, spelling
from services.ingest.domain.tree import Unit
from tests.support.world import sample

SPLIT, LONG_AGO = date(2025, 7, 1), date(2010, 1, 1)
LETTER, TODAY = date(2022, 2, 28), date(2025, 9, 12)


def unit(code: str, name: str, *aliases: str, since: date = LONG_AGO, to: date | None = None, state: str = "") -> Unit:  # fmt: skip
    codes = ({"scheme": "gso", "code": state, "from": since.isoformat(), "to": to and to.isoformat()},) if state else ()  # fmt: skip
    return Unit(code, name, "province", "VN", since, to, aliases, codes)


UNITS = [
    Unit("VN", "Toàn quốc", "national", None, LONG_AGO),
    unit("DT", "Đồng Tháp", "Tỉnh Đồng Tháp"),
    unit("HY", "Hưng Yên"),
    unit("HB", "Hòa Bình"),
    unit("TH", "Huế", "TT Huế"),
    unit("BR", "Bà Rịa - Vũng Tàu", "BR-Vũng Tàu"),
    unit("TN1", "Thái Nguyên", to=SPLIT, state="19"),
    unit("TN", "Thái Nguyên", since=SPLIT, state="19"),
    unit("BG", "Bắc Giang", to=SPLIT, state="24"),
    unit("BN", "Bắc Ninh", since=SPLIT, state="24"),
    unit("HN", "Hà Nội", state="01"),
    unit("KV1", "Phòng THADS khu vực 1"),
    unit("KV2", "Phòng THADS khu vực 1"),
]
LABELS = {spelling("Kết quả chung toàn quốc"): "VN", spelling("Cũ"): "XX"}


def naming(day: date = LETTER) -> Naming:
    return Naming(UNITS, day, {"TN": SPLIT}, LABELS)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        pytest.param("Đồng Tháp", "DT", id="as it stands"),
        pytest.param("ĐỒNG THÁP", "DT", id="capitals"),
        pytest.param("  đồng \u00a0tháp ", "DT", id="spaces"),
        pytest.param(unicodedata.normalize("NFD", "Đồng Tháp"), "DT", id="NFD"),
        pytest.param("Hoà Bình", "HB", id="tone on the other vowel"),
        pytest.param("HOÀ BÌNH", "HB", id="tone and capitals"),
        pytest.param("TT Huế", "TH", id="alias"),
        pytest.param("Bà Rịa – Vũng Tàu", "BR", id="a dash for a hyphen"),
        pytest.param("BR -Vũng Tàu", "BR", id="spaces around a hyphen"),
        pytest.param("HY", "HY", id="our code"),
        pytest.param("Kết quả chung toàn quốc", "VN", id="the mapping's label"),
        pytest.param("Thái Nguyên", "TN1", id="the one in force"),
    ],
)  # fmt: skip
def test_a_name_finds_its_unit(text: str, code: str) -> None:
    assert naming().of(text, "name").unit == code


@pytest.mark.parametrize(
    ("text", "code", "like"),
    [
        pytest.param("Đông Tháp", "unknown_unit", "Đồng Tháp (DT)", id="Đông Tháp (letter 679)"),
        pytest.param("Hung Yên", "unknown_unit", "Hưng Yên (HY)", id="Hung Yên (letter 679)"),
        pytest.param("Hoa Binh", "unknown_unit", "Hòa Bình (HB)", id="no tones"),
        pytest.param("Phòng THADS khu vực 1", "ambiguous_unit", "(KV1), Phòng THADS khu vực 1 (KV2)", id="two of this name"),
        pytest.param("Cũ", "unknown_unit", "", id="a label for a unit that the key does not see"),
        pytest.param("xyz", "unknown_unit", "", id="nothing like it"),
    ],
)  # fmt: skip
def test_anything_looser_is_a_fault_with_candidates(
    text: str, code: str, like: str
) -> None:
    found = naming().of(text, "name")

    assert (found.unit, found.code) == (None, code)
    assert found.message is not None
    assert like in found.message.vi
    assert like in found.message.en


def test_a_name_means_the_unit_of_its_day() -> None:
    before = Naming([u for u in UNITS if u.code != "TN1"], LETTER, {"TN": SPLIT}, {})

    assert naming(TODAY).of("Thái Nguyên", "name").unit == "TN"
    assert before.of("Thái Nguyên", "name").unit == "TN"
    # Out of force and without a successor's right: its use says so.
    assert naming(TODAY).of("Bắc Giang", "name").unit == "BG"


@pytest.mark.parametrize(
    ("day", "state", "digits", "code"),
    [
        pytest.param(LETTER, "24", False, "BG", id="24 before the merger"),
        pytest.param(TODAY, "24", False, "BN", id="24 after it"),
        pytest.param(TODAY, "19", False, "TN", id="19 after it"),
        pytest.param(TODAY, "1", True, "HN", id="a number cell lost its zero"),
        pytest.param(TODAY, "1", False, None, id="text lost no zero"),
        pytest.param(TODAY, "99", False, None, id="no such code"),
    ],
)
def test_a_state_code_names_a_unit_only_with_a_day(
    day: date, state: str, digits: bool, code: str | None
) -> None:
    assert naming(day).of(state, "state_code", digits=digits).unit == code


def test_a_code_is_not_a_name_and_a_name_is_not_a_code() -> None:
    assert naming().of("Hưng Yên", "code").unit is None
    assert naming().of("HY", "code").unit == "HY"


def test_no_two_units_of_the_letters_are_spelt_alike() -> None:
    units = sample("units_2022.json")["units"]
    names = {u["code"]: {spelling(n) for n in (u["name"], *u["aliases"])} for u in units}  # fmt: skip

    every = [name for some in names.values() for name in some]

    assert len(every) == len(set(every)) > 63


SYLLABLES = st.lists(
    st.sampled_from(["hòa", "hoà", "hoa", "thủy", "thuỷ", "quý", "già", "tiền", "huế", "đồng", "dong", "ngãi", "khánh"]),
    min_size=1,
    max_size=4,
)  # fmt: skip


@given(SYLLABLES, SYLLABLES)
def test_two_names_are_spelt_alike_only_if_tones_are_placed_otherwise(
    one: list[str], other: list[str]
) -> None:
    placed = {"hoà": "hòa", "thuỷ": "thủy"}
    same = [placed.get(s, s) for s in one] == [placed.get(s, s) for s in other]

    alike = spelling(" ".join(one)) == spelling(" ".join(other).upper())

    assert alike == same


def test_a_tone_stays_in_its_syllable_where_a_space_is_missing() -> None:
    assert spelling("HòaBình") == spelling("HoàBình") == spelling("Hòa Bình")
    assert spelling("HòaBinh") != spelling("HoaBình")


@given(st.text(max_size=40))
def test_spelling_settles_and_ignores_composition(name: str) -> None:
    once = spelling(name)

    assert spelling(unicodedata.normalize("NFD", name)) == once

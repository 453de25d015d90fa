"""Vietnamese names: their order and their likeness."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.names import folded, nearest, sort_key

LETTERS = "aăâbcdđeêfghijklmnoôơpqrstuưvwxyz"
TONES = ("", "\u0300", "\u0309", "\u0303", "\u0301", "\u0323")
VOWELS = "aăâeêioôơuưy"

letters = st.sampled_from(LETTERS)
words = st.lists(
    st.tuples(letters, st.integers(0, 5)).map(
        lambda pair: pair if pair[0] in VOWELS else (pair[0], 0)
    ),
    min_size=1,
    max_size=6,
)


def spelt(word: list[tuple[str, int]]) -> str:
    text = "".join(letter + TONES[tone] for letter, tone in word)
    return unicodedata.normalize("NFC", text)


@given(words, words)
def test_letters_decide_before_tones(
    one: list[tuple[str, int]], other: list[tuple[str, int]]
) -> None:
    def oracle(word: list[tuple[str, int]]) -> tuple[list[int], list[int]]:
        return [LETTERS.index(letter) for letter, _ in word], [tone for _, tone in word]

    by_key = sort_key(spelt(one)) < sort_key(spelt(other))

    assert by_key == (oracle(one) < oracle(other))


@given(words, words)
def test_byte_order_of_the_key_is_its_text_order(
    one: list[tuple[str, int]], other: list[tuple[str, int]]
) -> None:
    a, b = sort_key(spelt(one)), sort_key(spelt(other))

    assert (a < b) == (a.encode() < b.encode())


@pytest.mark.parametrize(
    "ordered",
    [
        pytest.param(["ma", "mà", "mả", "mã", "má", "mạ"], id="the six tones"),
        pytest.param(["a", "ă", "â", "b", "d", "đ", "e", "ê", "o", "ô", "ơ", "u", "ư", "y"], id="the letters"),
        pytest.param(
            ["An Giang", "Bà Rịa", "Bạc Liêu", "Bắc Giang", "Bắc Kạn", "Bắc Ninh",
             "Bến Tre", "Bình Dương", "Bình Định", "Cà Mau", "Cao Bằng", "Cần Thơ",
             "Dak", "Đà Nẵng", "Đắk Lắk", "Đồng Nai", "Đồng Tháp", "Gia Lai"],
            id="provinces",
        ),
        pytest.param(["Hà", "Hà Nam", "Hà Nội", "Hải Dương"], id="a shorter name first"),
        pytest.param(["Khu vực 1", "Khu vực 2", "Khu vực A"], id="digits first"),
    ],
)  # fmt: skip
def test_names_stand_in_vietnamese_order(ordered: list[str]) -> None:
    assert sorted(reversed(ordered), key=sort_key) == ordered


def test_spelling_with_combining_marks_and_capitals_sorts_alike() -> None:
    composed = "Đà Nẵng"

    decomposed = unicodedata.normalize("NFD", composed.upper())

    assert sort_key(decomposed) == sort_key(composed)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("Hòa Bình", "Hoà Bình", id="tone placement"),
        pytest.param("Hòa Bình", "HOÀ  BÌNH", id="case and spacing"),
        pytest.param("Đắk Lắk", "dak lak", id="marks"),
        pytest.param("Bà Rịa - Vũng Tàu", "Ba Ria Vung Tau", id="punctuation"),
        pytest.param("Huế", unicodedata.normalize("NFD", "Huế"), id="composition"),
    ],
)
def test_two_spellings_fold_into_one(one: str, other: str) -> None:
    assert folded(one) == folded(other)


PROVINCES = [
    ("TV", "Trà Vinh"),
    ("VL1", "Vĩnh Long"),
    ("VP1", "Vĩnh Phúc"),
    ("TN1", "Thái Nguyên"),
    ("HN", "Hà Nội"),
    ("HNA", "Hà Nam"),
    ("BG", "Bắc Giang"),
    ("BG", "Tỉnh Bắc Giang"),
]


@pytest.mark.parametrize(
    ("written", "first"),
    [
        pytest.param("Tra Vihn", "TV", id="two letters swapped"),
        pytest.param("Thai Nguyen", "TN1", id="no marks"),
        pytest.param("tinh bac giang", "BG", id="by an alias"),
        pytest.param("hn", "HN", id="a code in small letters"),
    ],
)
def test_the_nearest_name_comes_first(written: str, first: str) -> None:
    assert nearest(written, PROVINCES)[0] == first


def test_each_unit_is_named_once_and_three_at_most() -> None:
    found = nearest("Vĩnh", [*PROVINCES, ("VI", "Vĩnh"), ("VI", "Vinh")])

    assert found[0] == "VI"
    assert len(found) == len(set(found)) <= 3


@pytest.mark.parametrize("written", ["", "?!", "Warszawa", "x" * 80])
def test_nothing_alike_is_no_guess(written: str) -> None:
    assert nearest(written, PROVINCES) == []


@given(st.text(max_size=20))
def test_any_text_has_a_key_and_a_likeness(text: str) -> None:
    assert set(nearest(text, PROVINCES)) <= {code for code, _ in PROVINCES}
    assert isinstance(sort_key(text), str)

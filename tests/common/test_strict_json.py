"""JSON that two readers could understand differently is refused."""

from __future__ import annotations

import json
from json import JSONDecodeError
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common import strict_json

plain_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | plain_text,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(plain_text, inner, max_size=4)
    ),
    max_leaves=12,
)


@given(values, st.booleans())
def test_what_is_unambiguous_is_read_as_it_stands(value: Any, ascii: bool) -> None:
    body = json.dumps(value, ensure_ascii=ascii).encode()

    assert strict_json.loads(body) == value


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b'{"a": 1', id="truncated"),
        pytest.param(b"{'a': 1}", id="single quotes"),
        pytest.param(b'{"a": 1,}', id="a trailing comma"),
        pytest.param(b'{"a": 1} x', id="trailing data"),
        pytest.param(b'{"a": 1}{"a": 2}', id="two documents"),
        pytest.param('{"a": 1}'.encode("utf-16"), id="UTF-16"),
        pytest.param('{"a": "é"}'.encode("latin-1"), id="Latin-1"),
        pytest.param(b'\xef\xbb\xbf{"a": 1}', id="a byte order mark"),
        pytest.param(b'"\xed\xa0\x80"', id="a surrogate in UTF-8"),
        pytest.param(b'{"a": 1, "a": 2}', id="a key twice"),
        pytest.param(b'{"x": [{"a": 1, "\\u0061": 2}]}', id="a key twice, escaped"),
        pytest.param(b"NaN", id="NaN"),
        pytest.param(b"[Infinity]", id="Infinity"),
        pytest.param(b"[-Infinity]", id="minus Infinity"),
        pytest.param(b"[1e999]", id="1e999"),
        pytest.param(b"[-1e999]", id="minus 1e999"),
        pytest.param(b"1" + b"0" * 5000, id="10^5000"),
        pytest.param(b'["\\ud800"]', id="a lone surrogate"),
        pytest.param(b'{"\\udfff": 1}', id="a lone surrogate in a key"),
        pytest.param(b'"a\nb"', id="a bare line break"),
        pytest.param(b"[" * 100_000, id="100 000 open brackets"),
        pytest.param(b"[" * 100_000 + b"]" * 100_000, id="nested 100 000 deep"),
        pytest.param(b'{"a":' * 5000 + b"1" + b"}" * 5000, id="objects 5 000 deep"),
    ],
)
def test_what_is_ambiguous_or_hostile_is_refused(body: bytes) -> None:
    with pytest.raises(JSONDecodeError):
        strict_json.loads(body)


def nested(levels: int, inside: str = "") -> bytes:
    return ("[" * levels + inside + "]" * levels).encode()


@pytest.mark.parametrize("inside", ["", "1", '"text"'])
def test_nesting_ends_at_32_levels_whatever_is_inside(inside: str) -> None:
    strict_json.loads(nested(32, inside))

    with pytest.raises(JSONDecodeError, match="deeper than 32"):
        strict_json.loads(nested(33, inside))


def test_a_pair_of_surrogates_is_one_letter() -> None:
    assert strict_json.loads(b'"\\ud83d\\ude00"') == "😀"


def test_a_large_integer_stays_exact() -> None:
    assert strict_json.loads(b"[1" + b"0" * 400 + b"]") == [10**400]


def test_the_message_names_the_key_without_its_raw_characters() -> None:
    with pytest.raises(JSONDecodeError) as caught:
        strict_json.loads(b'{"a\\u0000": 1, "a\\u0000": 2}')

    assert "'a\\x00'" in caught.value.msg
    assert "\x00" not in caught.value.msg

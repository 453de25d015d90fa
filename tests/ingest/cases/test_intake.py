"""Reading lines fast and finding every fault are two readings of one contract."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.cases.intake import Reader
from services.ingest.domain.cases import Register
from services.ingest.domain.tree import Unit
from tests.ingest.cases.sending import case

TODAY = date(2022, 3, 8)
NOW = datetime(2022, 3, 8, 1, tzinfo=UTC)


def reader() -> Reader:
    begun = date(2010, 1, 1)
    rows = {
        "A1": [Unit("A1", "A1", "office", "VN", begun)],
        "A0": [Unit("A0", "A0", "office", "VN", begun, date(2020, 1, 1))],
        "A11": [Unit("A11", "A11", "officer", "A1", begun)],
    }
    return Reader(Register(rows, frozenset(), TODAY), NOW)


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 2**53 + 1),
    st.sampled_from(["", "A1", "A0", "A11", "C", "2022-03-01", "2019-05-05", "2022-02-30", "2022-03-08", "2022-03-09", "2022-03-01T07:00:00+07:00", "enforceable", "ledger", "credit", "Tín", " x", "a\tb"]),
    st.lists(st.sampled_from(["2020-01-01", "credit", "X", 3]), max_size=3),
)  # fmt: skip
MEMBERS = [*case(), "officer", "key_case", "held_vnd", "verified_on", "published_on", "reason_code", "name"]  # fmt: skip


@st.composite
def records(draw: st.DrawFn) -> dict[str, Any]:
    """A good record with a few members changed, and some left out."""
    changed = draw(st.dictionaries(st.sampled_from(MEMBERS), ANYTHING, max_size=3))
    left_out = draw(st.sets(st.sampled_from(MEMBERS), max_size=1))
    whole = case() | changed
    return {name: value for name, value in whole.items() if name not in left_out}


@settings(max_examples=500)
@given(record=records())
def test_a_line_is_refused_exactly_if_it_has_a_fault(record: dict[str, Any]) -> None:
    line = json.dumps(record).encode()
    found = reader()

    rows = found.rows([(0, line)])
    faults = list(reader()._faults("/cases/0", line))

    assert (found.good, found.refused) == ((1, 0) if not faults else (0, 1))
    assert (rows == b"") == bool(faults)
    assert found.faults == list(dict.fromkeys(faults))
    assert rows.count(b"\n") == found.good
    assert rows.count(b"\t") == 18 * found.good


@given(record=records(), name=st.sampled_from(MEMBERS), space=st.sampled_from(["", " ", "\t "]))  # fmt: skip
def test_a_member_sent_twice_is_never_taken(
    record: dict[str, Any], name: str, space: str
) -> None:
    record.setdefault(name, None)
    again = f', "{name}"{space}:{space}{json.dumps(record[name])}}}'
    line = (json.dumps(record)[:-1] + again).encode()
    found = reader()

    assert found.rows([(0, line)]) == b""
    assert found.refused == 1

"""What makes dated rows a tree: one root, no gaps upward, no circle on any day."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.tree import DEEPEST, Unit, faults

ROOT = Unit("VN", "Toàn quốc", "national", None, date(2010, 1, 1))


def unit(
    code: str,
    parent: str | None = "VN",
    since: str = "2010-01-01",
    until: str | None = None,
    kind: str = "office",
) -> Unit:
    end = None if until is None else date.fromisoformat(until)
    return Unit(code, code, kind, parent, date.fromisoformat(since), end)


def found(sent: list[Unit], stored: list[Unit] | None = None) -> set[tuple[str, ...]]:
    everything = [ROOT, *(stored or [])]
    return {
        (f"/{index}{member}", code)
        for index, member, code, _ in faults(sent, everything)
    }


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        pytest.param([unit("A")], [], id="under the root"),
        pytest.param([unit("B", "A"), unit("A")], [], id="a child before its parent"),
        pytest.param([unit("B", "A")], [unit("A")], id="under a stored one"),
        pytest.param([unit("A")], [unit("A")], id="the same again"),
        pytest.param([ROOT], [], id="the root itself"),
        pytest.param(
            [unit("A", until="2020-01-01"), unit("A", since="2020-01-01")], [],
            id="one row ends where the next begins",
        ),
        pytest.param(
            [unit("A", until="2020-01-01")], [unit("A")], id="a stored row is ended"
        ),
        pytest.param(
            [unit("B", "A", until="2015-01-01"), unit("B", "C", since="2015-01-01"),
             unit("A", "C", until="2015-01-01"), unit("A", "B", since="2015-01-01"),
             unit("C")], [],
            id="two change places from one day to the next",
        ),
    ],
)  # fmt: skip
def test_a_tree_takes(sent: list[Unit], stored: list[Unit]) -> None:
    assert found(sent, stored) == set()


@pytest.mark.parametrize(
    ("sent", "stored", "expected"),
    [
        pytest.param(
            [unit("A", until="2010-01-01")], [], {("/0/valid_to", "bad_interval")},
            id="a row of no day",
        ),
        pytest.param(
            [unit("A", until="2009-01-01")], [], {("/0/valid_to", "bad_interval")},
            id="an end before its beginning",
        ),
        pytest.param(
            [unit("A", since="2015-01-01")], [unit("A")], {("/0/valid_from", "overlap")},
            id="an open row is overlapped",
        ),
        pytest.param(
            [unit("A", until="2015-01-02"), unit("A", since="2015-01-01")], [],
            {("/0/valid_from", "overlap"), ("/1/valid_from", "overlap")},
            id="two sent rows share a day",
        ),
        pytest.param(
            [unit("A"), unit("A", until="2015-01-01")], [],
            {("/0/valid_from", "overlap"), ("/1", "duplicate_row")},
            id="one row twice",
        ),
        pytest.param(
            [unit("A", None)], [], {("/0/parent", "one_root")}, id="a second root"
        ),
        pytest.param(
            [unit("A", kind="national")], [], {("/0/parent", "one_root")},
            id="a second nation",
        ),
        pytest.param(
            [unit("VN", "A", kind="national"), unit("A")], [],
            {("/0/parent", "one_root"), ("/1/parent", "cycle")},
            id="a root under a unit",
        ),
        pytest.param(
            [unit("A", "ZZ")], [], {("/0/parent", "unknown_unit")},
            id="an unknown parent",
        ),
        pytest.param(
            [unit("A", since="2009-12-31")], [], {("/0/parent", "parent_not_in_force")},
            id="before its parent",
        ),
        pytest.param(
            [unit("B", "A", since="2020-01-01")], [unit("A", until="2020-01-01")],
            {("/0/parent", "parent_not_in_force")},
            id="after its parent",
        ),
        pytest.param([unit("A", "A")], [], {("/0/parent", "cycle")}, id="itself"),
        pytest.param(
            [unit("A", "B"), unit("B", "A")], [],
            {("/0/parent", "cycle"), ("/1/parent", "cycle")},
            id="each above the other",
        ),
        pytest.param(
            [unit("A", "C")], [unit("A"), unit("B", "A"), unit("C", "B")],
            {("/0/parent", "cycle")},
            id="under its own grandchild",
        ),
        pytest.param(
            [unit("A", "B")],
            [unit("A"), unit("B", until="2020-01-01"), unit("B", "A", since="2020-01-01")],
            {("/0/parent", "cycle")},
            id="a circle that begins on a later day",
        ),
        pytest.param(
            [unit("A", "B"), unit("B", "C", until="2011-01-01"), unit("C"),
             unit("B", "D", since="2011-01-01"), unit("D", "A")], [],
            {("/0/parent", "cycle"), ("/3/parent", "cycle"), ("/4/parent", "cycle")},
            id="a long way round, later",
        ),
    ],
)  # fmt: skip
def test_a_tree_refuses(
    sent: list[Unit], stored: list[Unit], expected: set[tuple[str, str]]
) -> None:
    assert found(sent, stored) == expected


def chain(length: int) -> list[Unit]:
    names = ["VN", *(f"U{number}" for number in range(length))]
    return [unit(code, parent) for parent, code in pairwise(names)]


def test_a_tree_has_twenty_levels_and_no_more() -> None:
    assert found(chain(DEEPEST)) == set()
    assert found(chain(DEEPEST + 2)) == {
        (f"/{DEEPEST}/parent", "too_deep"),
        (f"/{DEEPEST + 1}/parent", "too_deep"),
    }


def test_a_chain_of_thousands_is_refused_and_not_climbed() -> None:
    assert len(found(chain(5000))) == 5000 - DEEPEST


FIRST = date(2010, 1, 1)
codes = st.sampled_from("ABCD")
spans = st.tuples(st.integers(0, 8), st.integers(1, 6))
drawn = st.lists(
    st.builds(
        lambda code, parent, span: Unit(
            code,
            code,
            "office",
            parent,
            FIRST + timedelta(span[0]),
            FIRST + timedelta(span[0] + span[1]),
        ),
        codes,
        st.sampled_from(["VN", "A", "B", "C", "D"]),
        spans,
    ),
    max_size=7,
)


@given(drawn, drawn)
def test_whatever_is_taken_leads_upward_without_a_circle_on_every_day(
    first: list[Unit], second: list[Unit]
) -> None:
    tree: dict[tuple[str, date], Unit] = {(ROOT.code, ROOT.valid_from): ROOT}
    for sent in (first, second):
        if not list(faults(sent, tree.values())):
            tree |= {(u.code, u.valid_from): u for u in sent}

    for number in range(16):
        day = FIRST + timedelta(number)
        standing = [u for u in tree.values() if u.in_force(day)]
        above = {u.code: u.parent for u in standing}
        assert len(above) == len(standing), "one row per unit and day"
        for code in above:
            steps, at = 0, above.get(code)
            while at is not None and steps <= len(above):
                steps, at = steps + 1, above.get(at)
            assert steps <= len(above), f"{code} stands above itself on {day}"

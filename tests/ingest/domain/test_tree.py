"""What makes dated rows a tree: one root, no gaps upward, no circle on any day."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.tree import DEEPEST, Unit, faults, merged

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
    tree = merged(sent, [ROOT, *(stored or [])])
    return {
        (f"/{index}{member}", code) for index, member, code, _ in faults(sent, tree)
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
            [unit("A", until="2020-01-01"), unit("B", "A", until="2020-01-01")],
            [unit("A"), unit("B", "A")], id="a parent ends with its child",
        ),
        pytest.param(
            [unit("A", until="2020-01-01"), unit("B", "A", until="2020-01-01"),
             unit("B", "C", since="2020-01-01")],
            [unit("A"), unit("B", "A"), unit("C")], id="its child moves as it ends",
        ),
        pytest.param(
            [unit("A", until="2020-01-01"), unit("A", since="2020-01-01")],
            [unit("A"), unit("B", "A")], id="it goes on by another name",
        ),
        pytest.param(
            [unit("A", until="2020-01-01")],
            [unit("A"), unit("A", since="2022-01-01"), unit("B", "A", since="2022-01-01"),
             unit("C", "A", until="2020-01-01")],
            id="a gap in which it has no child",
        ),
        pytest.param(
            [replace(ROOT, valid_to=date(2020, 1, 1)),
             replace(ROOT, name="Cả nước", valid_from=date(2020, 1, 1))],
            [unit("A")], id="the root goes on by another name",
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
        pytest.param(
            [unit("B", "A")], [unit("A", until="2020-01-01")],
            {("/0/valid_to", "outlives_parent")}, id="longer than its parent",
        ),
        pytest.param(
            [unit("B", "A")],
            [unit("A", until="2020-01-01"), unit("A", since="2020-01-02")],
            {("/0/valid_to", "outlives_parent")}, id="over a day that its parent misses",
        ),
        pytest.param(
            [unit("A", until="2020-01-01")], [unit("A"), unit("B", "A")],
            {("/0/valid_to", "children_go_on")}, id="a child goes on",
        ),
        pytest.param(
            [unit("A", until="2015-01-01")],
            [unit("A"), unit("B", "A", since="2020-01-01")],
            {("/0/valid_to", "children_go_on")}, id="a child is to begin later",
        ),
        pytest.param(
            [unit("A", until="2015-01-01")],
            [unit("A", until="2015-02-01"), unit("A", since="2015-02-01"), unit("B", "A")],
            {("/0/valid_to", "children_go_on")}, id="a gap under a child",
        ),
        pytest.param(
            [unit("A", until="2020-01-01"), unit("B", "A")], [unit("A")],
            {("/1/valid_to", "outlives_parent")}, id="both in one request",
        ),
        pytest.param(
            [replace(ROOT, valid_to=date(2020, 1, 1))], [unit("A")],
            {("/0/valid_to", "root_ends")}, id="the root ends",
        ),
        pytest.param(
            [unit("B", "A")], [unit("A", kind="officer")],
            {("/0/parent", "under_officer")}, id="below an officer",
        ),
        pytest.param(
            [unit("A", kind="officer")], [unit("A"), unit("B", "A")],
            {("/0/kind", "under_officer")}, id="an officer with units below",
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


def test_children_that_go_on_are_named_as_far_as_they_are_seen() -> None:
    stored = [unit("A"), unit("B", "A"), unit("C", "A"), unit("D", "VN")]
    sent = [unit("A", until="2020-01-01")]

    ((_, _, _, text),) = faults(
        sent, merged(sent, [ROOT, *stored]), sees=lambda code: code != "C"
    )

    assert "B" in text.en
    assert "C" not in text.en


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
def test_whatever_is_taken_leads_up_to_the_root_on_every_day(
    first: list[Unit], second: list[Unit]
) -> None:
    tree: dict[tuple[str, date], Unit] = {(ROOT.code, ROOT.valid_from): ROOT}
    for sent in (first, second):
        if not list(faults(sent, merged(sent, tree.values()))):
            tree |= {(u.code, u.valid_from): u for u in sent}

    for number in range(16):
        day = FIRST + timedelta(number)
        standing = [u for u in tree.values() if u.in_force(day)]
        above = {u.code: u.parent for u in standing}
        assert len(above) == len(standing), "one row per unit and day"
        for code in above:
            way = [code]
            while (parent := above[way[-1]]) is not None:
                assert parent in above, f"{code} has lost its way up on {day}"
                way.append(parent)
                assert len(way) <= len(above), f"{code} stands above itself on {day}"
            assert way[-1] == "VN"

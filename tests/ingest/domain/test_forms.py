"""What must add up on a statutory form, version by version."""

from __future__ import annotations

import itertools
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.forms import (
    FORMS,
    Form,
    contradictions,
    findings,
    form_named,
    form_on,
    serves,
)
from services.ingest.domain.reports import COLUMNS, Report, Row


def row(measure: str = "cases", **counts: int) -> Row:
    return Row(measure, "all", tuple(counts.get(name) for name in COLUMNS), None)


def named(id: str) -> Form:
    found = form_named(id)
    assert found is not None
    return found


OLD, NEW = named("08/2015"), named("06/2019")


@pytest.mark.parametrize(
    ("day", "form"),
    [
        (date(2010, 9, 30), "08/2015"),
        (date(2020, 1, 4), "08/2015"),
        (date(2020, 1, 5), "06/2019"),
        (date(2024, 7, 25), "06/2019"),
        (date(2024, 7, 26), "05/2024"),
        (date(2026, 6, 30), "05/2024"),
        (date(2026, 7, 1), "05/2026"),
    ],
)
def test_the_forms_in_force_on_a_day(day: date, form: str) -> None:
    assert form_on(day).id == form


def test_one_form_holds_on_every_day() -> None:
    for earlier, later in itertools.pairwise(FORMS):
        assert earlier.valid_to == later.valid_from
        assert form_on(later.valid_from - timedelta(days=1)) is earlier


@pytest.mark.parametrize("name", ["06/2019", "06/2019/TT-BTP"])
def test_a_form_is_named_by_its_circular(name: str) -> None:
    assert form_named(name) is NEW
    assert form_named("01/TK-THA") is None


@pytest.mark.parametrize(
    ("form", "end", "served"),
    [
        (NEW, date(2022, 2, 28), True),
        (OLD, date(2020, 1, 31), True),
        (OLD, date(2020, 4, 5), True),
        (OLD, date(2020, 4, 6), False),
        (OLD, date(2022, 2, 28), False),
        (NEW, date(2019, 10, 31), True),
        (NEW, date(2019, 10, 4), False),
        (named("05/2026"), date(2022, 2, 28), False),
    ],
    ids=str,
)
def test_forms_serve_their_time_and_a_quarter_either_side(
    form: Form, end: date, served: bool
) -> None:
    assert serves(form, end) is served


def test_forms_of_another_time_do_not_dodge_what_must_add_up() -> None:
    """08/2015 has two groups where 06/2019, in force in 2022, has three."""
    broken = {
        "to_enforce": 16,
        "enforceable": 10,
        "not_enforceable": 6,
        "postponed_suspended": 2,
    }
    sent = Report(0, "A", "2022M05", (row(**broken),), form="08/2015")

    ((severity, tell),) = findings(sent)

    found = tell()
    assert (severity, found.pointer, found.code) == (
        "error",
        "/reports/0/form",
        "form_not_in_force",
    )
    assert "06/2019" in found.message.vi


@pytest.mark.parametrize(
    ("form", "measure", "counts", "broken"),
    [
        pytest.param(NEW, "cases", {"total_accepted": 15, "carried_over": 10, "newly_accepted": 5}, [], id="I1 holds"),
        pytest.param(NEW, "cases", {"total_accepted": 16, "carried_over": 10, "newly_accepted": 5}, [("error", "identity_I1")], id="I1 broken"),
        pytest.param(NEW, "cases", {"total_accepted": 16, "carried_over": 10}, [], id="I1 with a part unknown"),
        pytest.param(NEW, "cases", {"to_enforce": 12, "total_accepted": 15, "entrusted": 1, "withdrawn": 2}, [], id="I2 holds"),
        pytest.param(NEW, "cases", {"to_enforce": 11, "total_accepted": 15, "entrusted": 1, "withdrawn": 2, "pulled_up": 1}, [], id="I2 with cases pulled up"),
        pytest.param(NEW, "cases", {"to_enforce": 13, "total_accepted": 15, "entrusted": 1, "withdrawn": 2}, [("warning", "identity_I2")], id="I2 is a warning"),
        pytest.param(OLD, "cases", {"to_enforce": 15, "enforceable": 10, "not_enforceable": 5}, [], id="I3a holds"),
        pytest.param(OLD, "cases", {"to_enforce": 16, "enforceable": 10, "not_enforceable": 5}, [("error", "identity_I3a")], id="I3a broken"),
        pytest.param(NEW, "cases", {"to_enforce": 16, "enforceable": 10, "not_enforceable": 5}, [], id="I3b leaves a rest in two groups"),
        pytest.param(NEW, "cases", {"to_enforce": 14, "enforceable": 10, "not_enforceable": 5}, [("error", "identity_I3b")], id="I3b: no negative rest"),
        pytest.param(NEW, "cases", {"to_enforce": 16, "enforceable": 10, "not_enforceable": 5, "postponed_suspended": 1}, [], id="I3b holds in three groups"),
        pytest.param(NEW, "cases", {"to_enforce": 16, "enforceable": 10, "not_enforceable": 5, "postponed_suspended": 0}, [("error", "identity_I3b")], id="I3b broken in three groups"),
        pytest.param(OLD, "cases", {"enforceable": 10, "done": 4, "in_progress": 5, "postponed_suspended": 1}, [], id="I4 before 2020 has the postponed inside"),
        pytest.param(NEW, "cases", {"enforceable": 10, "done": 4, "in_progress": 5}, [("warning", "identity_I4")], id="I4 is a warning"),
        pytest.param(NEW, "money", {"enforceable": 10, "completed": 3, "terminated": 1, "reduced": 1, "in_progress": 5}, [], id="done is the sum of its parts"),
        pytest.param(NEW, "cases", {"carried_forward": 12, "to_enforce": 16, "done": 4}, [], id="I5 holds"),
        pytest.param(NEW, "cases", {"carried_forward": 11, "to_enforce": 16, "done": 4}, [("error", "identity_I5")], id="I5 broken"),
        pytest.param(NEW, "cases", {"carried_forward": 12, "enforceable": 10, "not_enforceable": 5, "postponed_suspended": 1, "done": 4}, [], id="I6 holds"),
        pytest.param(NEW, "cases", {"carried_forward": 13, "enforceable": 10, "not_enforceable": 5, "postponed_suspended": 1, "done": 4}, [("error", "identity_I6")], id="I6 broken"),
        pytest.param(OLD, "cases", {"carried_forward": 12, "enforceable": 10, "not_enforceable": 5, "done": 4}, [("error", "identity_I6")], id="I6 before 2020 in two groups"),
        pytest.param(NEW, "cases", {"enforceable": 10, "done": 4, "enforceable_over_1y": 7}, [("warning", "identity_over_1y")], id="more old cases than open ones"),
        pytest.param(NEW, "complaints", {"carried_over": 3, "newly_accepted": 4, "resolved": 8}, [("error", "identity_resolved")], id="more resolved than there were"),
        pytest.param(NEW, "complaints", {"resolved": 3, "resolved_in_time": 4}, [("error", "identity_in_time")], id="more in time than resolved"),
    ],
)  # fmt: skip
def test_identities(
    form: Form, measure: str, counts: dict[str, int], broken: list[tuple[str, str]]
) -> None:
    found = contradictions(form, row(measure, **counts))

    assert [(one.severity, f"identity_{one.id}") for one, _, _ in found] == broken


count = st.integers(0, 10**15)


@given(count, count, count, count, count)
def test_a_form_that_was_added_up_breaks_nothing(
    carried: int, new: int, done: int, in_progress: int, stuck: int
) -> None:
    enforceable = done + in_progress
    to_enforce = enforceable + stuck
    whole = row(
        carried_over=carried,
        newly_accepted=new,
        total_accepted=carried + new,
        to_enforce=to_enforce,
        enforceable=enforceable,
        done=done,
        in_progress=in_progress,
        not_enforceable=stuck,
        postponed_suspended=0,
        carried_forward=to_enforce - done,
    )

    assert list(contradictions(NEW, whole)) == []


@given(st.dictionaries(st.sampled_from(COLUMNS), count), st.sampled_from(FORMS))
def test_what_is_unknown_breaks_nothing(counts: dict[str, int], form: Form) -> None:
    """Each identity that is broken has all its columns given."""
    for identity, _, _ in contradictions(form, row("money", **counts)):
        assert identity.left in counts or identity.left == "done"

"""What makes a row of figures acceptable, and what counts as a change."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.figures import LARGEST_COUNT
from services.ingest.domain.reports import (
    COLUMNS,
    Report,
    Row,
    Source,
    Stored,
    changes,
    done_of,
    faults_of_row,
    in_dong,
    rate_of,
    too_large,
)


def row(
    measure: str = "cases",
    category: str = "all",
    rate: str | None = None,
    removed: bool = False,
    **counts: int,
) -> Row:
    return Row(
        measure,
        category,
        tuple(counts.get(name) for name in COLUMNS),
        None if rate is None else Decimal(rate),
        removed,
    )


def codes(one: Row) -> dict[str, str]:
    """Faults by member."""
    return {member: code for member, code, _ in faults_of_row(one)}


@pytest.mark.parametrize(
    ("one", "done"),
    [
        pytest.param(row(done=7), 7, id="given"),
        pytest.param(row(done=7, completed=4, terminated=3), 7, id="given, with parts"),
        pytest.param(row(completed=4, terminated=3), 7, id="split"),
        pytest.param(row(completed=4), 4, id="completed alone is inclusive"),
        pytest.param(
            row("money", completed=4, terminated=3, reduced=2), 9, id="money: reduced"
        ),
        pytest.param(
            row("money", completed=4, reduced=2), 4, id="money: nothing terminated"
        ),
        pytest.param(row(completed=0, terminated=0), 0, id="zero is a number"),
        pytest.param(row(terminated=3), None, id="terminated alone says nothing"),
        pytest.param(row(enforceable=3), None, id="no numerator"),
        pytest.param(row(rate="63.89"), None, id="only a rate"),
    ],
)
def test_what_counts_as_done(one: Row, done: int | None) -> None:
    assert done_of(one) == done


@pytest.mark.parametrize(
    ("one", "faults"),
    [
        pytest.param(row(enforceable=7479, done=4778), {}, id="counts"),
        pytest.param(row(rate="41.54"), {}, id="a rate"),
        pytest.param(row(rate="63.89", enforceable=7479, done=4778), {}, id="both"),
        pytest.param(row(enforceable=0, done=0), {}, id="nothing to enforce"),
        pytest.param(row(enforceable=5, done=5), {}, id="everything done"),
        pytest.param(row(separate_ledger=9), {}, id="one other column"),
        pytest.param(row(removed=True), {}, id="taken back"),
        pytest.param(row(), {"": "empty_row"}, id="empty"),
        pytest.param(
            row(removed=True, done=1), {"withdrawn": "withdrawn_with_figures"},
            id="taken back with counts",
        ),
        pytest.param(
            row(removed=True, rate="1"), {"withdrawn": "withdrawn_with_figures"},
            id="taken back with a rate",
        ),
        pytest.param(
            row(enforceable=4, done=5), {"done": "done_exceeds_enforceable"},
            id="more done than enforceable",
        ),
        pytest.param(
            row(enforceable=4, completed=5), {"completed": "done_exceeds_enforceable"},
            id="more completed than enforceable",
        ),
        pytest.param(
            row(enforceable=4, completed=3, terminated=2),
            {"completed": "done_exceeds_enforceable"},
            id="the parts together exceed",
        ),
        pytest.param(
            row(enforceable=9, done=6, completed=4, terminated=3),
            {"done": "done_contradicts_parts"},
            id="below its parts",
        ),
        pytest.param(
            row(enforceable=9, done=8, completed=4, terminated=3),
            {"done": "done_contradicts_parts"},
            id="above its parts",
        ),
        pytest.param(
            row(enforceable=9, done=4, completed=5), {"done": "done_contradicts_parts"},
            id="below completed alone",
        ),
        pytest.param(
            row(enforceable=9, done=6, completed=5), {},
            id="above completed alone, which may lack the terminated",
        ),
        pytest.param(
            row("money", enforceable=9, done=7, completed=4, terminated=3, reduced=1),
            {"done": "done_contradicts_parts"},
            id="money: reduced is a part",
        ),
        pytest.param(
            row(done=1, enforceable=2, reduced=1), {"reduced": "not_of_this_measure"},
            id="cases are never reduced",
        ),
        pytest.param(
            row(rate="63.88", enforceable=7479, done=4778),
            {"published_rate": "rate_contradicts_counts"},
            id="a rate beside other counts",
        ),
        pytest.param(
            row(rate="0", enforceable=0, done=0),
            {"published_rate": "rate_contradicts_counts"},
            id="a rate without a denominator",
        ),
        pytest.param(row(rate="63.9", enforceable=10, done=5), {
            "published_rate": "rate_contradicts_counts"}, id="one place is compared too"),
        pytest.param(row(rate="50", enforceable=10, done=5), {}, id="no place needed"),
    ],
)  # fmt: skip
def test_a_row_is_acceptable_unless(one: Row, faults: dict[str, str]) -> None:
    assert codes(one) == faults


small = st.integers(0, 40)
maybe = st.none() | small
rows = st.builds(
    lambda measure, counts: row(
        measure, **{k: v for k, v in counts.items() if v is not None}
    ),
    st.sampled_from(["cases", "money"]),
    st.fixed_dictionaries(
        {
            name: maybe
            for name in ("enforceable", "done", "completed", "terminated")
        }
    ),
)  # fmt: skip


@given(rows)
def test_no_accepted_row_has_more_done_than_enforceable(one: Row) -> None:
    done, enforceable = done_of(one), one.counts[COLUMNS.index("enforceable")]

    if not codes(one) and done is not None and enforceable is not None:
        assert done <= enforceable


@given(st.integers(0, LARGEST_COUNT), st.integers(1, LARGEST_COUNT))
def test_the_rate_of_its_own_counts_never_contradicts_them(a: int, b: int) -> None:
    done, enforceable = min(a, b), max(a, b)
    with localcontext(prec=60):
        exact = Decimal(100 * done) / enforceable
        rate = exact.quantize(Decimal("0.01"), ROUND_HALF_UP)

    own = row(rate=str(rate), done=done, enforceable=enforceable)
    other = own._replace(published_rate=rate + Decimal("0.01"))

    assert codes(own) == {}
    assert codes(other) == {"published_rate": "rate_contradicts_counts"}


@pytest.mark.parametrize(
    "text", ["0", "0.0", "9.5", "41.54", "99.99", "100", "100.0", "100.00", "00.10"]
)
def test_a_rate_is_read_from_its_text(text: str) -> None:
    assert rate_of(text) == Decimal(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "-1", "+1", "100.01", "101", "1e2", "41,54", "41.543", "41.", ".5",
        " 41.54", "41.54\n", "41.54%", "NaN", "Infinity", "٤١", "1_0", "0x1",
    ],
)  # fmt: skip
def test_no_other_text_is_a_rate(text: str) -> None:
    assert rate_of(text) is None


def test_money_in_thousands_is_kept_in_dong() -> None:
    sent = row("money", rate="25.70", done=195_723_741, enforceable=761_546_547)

    kept = in_dong(sent)

    assert kept == row(
        "money", rate="25.70", done=195_723_741_000, enforceable=761_546_547_000
    )


@pytest.mark.parametrize(
    ("thousands", "beyond"),
    [(LARGEST_COUNT // 1000, []), (LARGEST_COUNT // 1000 + 1, ["enforceable"])],
)
def test_money_beyond_what_every_client_reads_is_named(
    thousands: int, beyond: list[str]
) -> None:
    kept = in_dong(row("money", enforceable=thousands, done=1))

    assert list(too_large(kept)) == beyond


def stored(one: Row, illustrative: bool = False) -> Stored:
    return (illustrative, one.published_rate, *one.counts)


STANDING = row(done=5, enforceable=9)


@pytest.mark.parametrize(
    ("sent", "changed"),
    [
        pytest.param(STANDING, False, id="the same values"),
        pytest.param(row(done=6, enforceable=9), True, id="another count"),
        pytest.param(row(done=5), True, id="a column left out is taken back"),
        pytest.param(
            row(done=5, enforceable=9, rate="55.56"), True, id="a rate beside it"
        ),
        pytest.param(row(category="credit", done=5), True, id="a new row"),
        pytest.param(row(removed=True), True, id="taken back"),
        pytest.param(
            row(category="credit", removed=True), False, id="taken back, never there"
        ),
    ],
)
def test_a_row_changes_what_stands(sent: Row, changed: bool) -> None:
    report = Report(0, "BG", "2022M06", (sent,))

    found = changes(report, {STANDING.cell: stored(STANDING)})

    assert found == ((sent,) if changed else ())


def test_rows_not_mentioned_stay() -> None:
    credit = row(category="credit", done=1, enforceable=2)
    standing = {STANDING.cell: stored(STANDING), credit.cell: stored(credit)}
    report = Report(0, "BG", "2022M06", (row(done=6, enforceable=9),))

    assert [one.cell for one in changes(report, standing)] == [("cases", "all")]


def test_the_same_values_made_real_are_a_change() -> None:
    report = Report(0, "BG", "2022M06", (STANDING,), Source(illustrative=False))

    found = changes(report, {STANDING.cell: stored(STANDING, illustrative=True)})

    assert found == (STANDING,)


def test_a_rate_written_with_fewer_places_is_the_same() -> None:
    report = Report(0, "BG", "2022M06", (row(rate="25.7"),))

    assert changes(report, {("cases", "all"): stored(row(rate="25.70"))}) == ()

"""The statutory forms, each in force for a time, and what must add up on each.

Sources: Circulars 08/2015, 06/2019, 05/2024 and 05/2026/TT-BTP for the versions and
their days; the identities are those of the field guide (I1 to I6), which hold in every
published table seen. What is only remembered or has known exceptions is a warning.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from operator import add, eq, le, sub
from typing import Any, Literal

from libs.common.periods import Period
from libs.common.problems import Fault, Text
from services.ingest.domain.reports import (
    COLUMNS,
    Report,
    Row,
    Tell,
    done_of,
    fault,
)

Counts = Sequence[int | None]
"""A row's counts in the order of COLUMNS, `done` as it is reckoned."""

Column = Sequence[Any]
"""One column of COLUMNS in several rows: whole numbers, None where a row lacks it."""

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Identity:
    """`left` (= or ≤) the sum of `plus` less that of `minus`, where all are given.

    Columns of `maybe` are subtracted where given and are nought elsewhere; with
    `unless` the identity is silent where that column is given.
    """

    id: str
    left: str
    plus: tuple[str, ...]
    minus: tuple[str, ...] = ()
    maybe: tuple[str, ...] = ()
    severity: Severity = "error"
    at_most: bool = False
    unless: str | None = None
    _left: int = field(init=False, repr=False)
    _unless: int | None = field(init=False, repr=False)
    _plus: tuple[int, ...] = field(init=False, repr=False)
    _minus: tuple[int, ...] = field(init=False, repr=False)
    _maybe: tuple[int, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Find the columns once: a national month asks 200 000 times."""
        unless = None if self.unless is None else COLUMNS.index(self.unless)
        object.__setattr__(self, "_left", COLUMNS.index(self.left))
        object.__setattr__(self, "_unless", unless)
        for name in ("plus", "minus", "maybe"):
            columns = tuple(map(COLUMNS.index, getattr(self, name)))
            object.__setattr__(self, f"_{name}", columns)

    def broken_by(self, counts: Counts) -> tuple[int, int] | None:
        """(what stands, what it should be) where a row breaks it."""
        stands = counts[self._left]
        if stands is None:
            return None
        if self._unless is not None and counts[self._unless] is not None:
            return None
        should = 0
        for column in self._plus:
            count = counts[column]
            if count is None:
                return None
            should += count
        for column in self._minus:
            count = counts[column]
            if count is None:
                return None
            should -= count
        for column in self._maybe:
            should -= counts[column] or 0
        holds = stands <= should if self.at_most else stands == should
        return None if holds else (stands, should)

    def holds_in(self, given: Mapping[int, Column]) -> bool:
        """Whether it holds in every row, or is silent in all of them.

        `given` are the columns that the rows give, `left` among them. Raises TypeError
        where one that is needed is not given by all.
        """
        if self._unless is not None and self._unless in given:
            return None not in given[self._unless]
        if not given.keys() >= {*self._plus, *self._minus}:
            return True
        first, *others = self._plus
        should: Any = given[first]
        for column in others:
            should = map(add, should, given[column])
        for column in (*self._minus, *self._maybe):
            if column in given:
                should = map(sub, should, given[column])
        return all(map(le if self.at_most else eq, given[self._left], should))

    def __str__(self) -> str:
        signs = [f" + {name}" for name in self.plus]
        signs += [f" − {name}" for name in self.minus]
        signs += [f" (− {name})" for name in self.maybe]
        right = "".join(signs).removeprefix(" + ")
        return f"{self.left} {'≤' if self.at_most else '='} {right}"


@dataclass(frozen=True, slots=True)
class Form:
    """One version of the forms; `valid_to` is the first day out."""

    id: str
    valid_from: date
    valid_to: date | None
    identities: tuple[Identity, ...]
    by_left: tuple[tuple[int, Identity], ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Most columns are not given, so their identities need not be asked."""
        by_left = tuple((COLUMNS.index(one.left), one) for one in self.identities)
        object.__setattr__(self, "by_left", by_left)


_ALWAYS = (
    Identity("I1", "total_accepted", ("carried_over", "newly_accepted")),
    # A published national total leaves an unexplained rest here.
    Identity(
        "I2",
        "to_enforce",
        ("total_accepted",),
        ("entrusted", "withdrawn"),
        ("pulled_up",),
        severity="warning",
    ),
    Identity("I5", "carried_forward", ("to_enforce",), ("done",)),
    Identity(
        "over_1y",
        "enforceable_over_1y",
        ("enforceable",),
        ("done",),
        severity="warning",
        at_most=True,
    ),
    Identity("in_time", "resolved_in_time", ("resolved",), at_most=True),
    Identity("resolved", "resolved", ("carried_over", "newly_accepted"), at_most=True),
)
_TWO_GROUPS = (
    Identity("I3a", "to_enforce", ("enforceable", "not_enforceable")),
    Identity(
        "I4",
        "enforceable",
        ("done", "in_progress", "postponed_suspended"),
        severity="warning",
    ),
    Identity("I6", "carried_forward", ("enforceable", "not_enforceable"), ("done",)),
)
_THREE_GROUPS = (
    Identity(
        "I3b", "to_enforce", ("enforceable", "not_enforceable", "postponed_suspended")
    ),
    # A report in two groups leaves a rest, which is the third.
    Identity(
        "I3b",
        "enforceable",
        ("to_enforce",),
        ("not_enforceable",),
        at_most=True,
        unless="postponed_suspended",
    ),
    Identity("I4", "enforceable", ("done", "in_progress"), severity="warning"),
    Identity(
        "I6",
        "carried_forward",
        ("enforceable", "not_enforceable", "postponed_suspended"),
        ("done",),
    ),
)

FORMS = (
    Form("08/2015", date(1950, 1, 1), date(2020, 1, 5), _ALWAYS + _TWO_GROUPS),
    Form("06/2019", date(2020, 1, 5), date(2024, 7, 26), _ALWAYS + _THREE_GROUPS),
    Form("05/2024", date(2024, 7, 26), date(2026, 7, 1), _ALWAYS + _THREE_GROUPS),
    Form("05/2026", date(2026, 7, 1), None, _ALWAYS + _THREE_GROUPS),
)
"""Half-open intervals, oldest first; what is older is read by the first."""

_BY_ID = {form.id: form for form in FORMS}


def form_named(id: str) -> Form | None:
    """The forms of a circular by its short number; also `06/2019/TT-BTP`."""
    return _BY_ID.get(id.removesuffix("/TT-BTP"))


def form_on(day: date) -> Form:
    """The forms in force on a period's last day."""
    return next(f for f in FORMS if f.valid_to is None or day < f.valid_to)


# Forms change in the middle of a working year: software follows weeks later, and what
# it exports then has the months just before on the new forms too. Beyond a quarter
# either side nobody fills them in, and naming one only dodges what must add up.
_TRANSITION = timedelta(days=92)


def serves(form: Form, end: date) -> bool:
    """Whether a report for a period that ends on this day may follow these forms."""
    return form.valid_from - _TRANSITION <= end and (
        form.valid_to is None or end < form.valid_to + _TRANSITION
    )


_DONE = COLUMNS.index("done")


def contradictions(form: Form, row: Row) -> list[tuple[Identity, int, int]]:
    """Each identity that a row breaks, what stands and what it should be."""
    counts: Counts = row.counts
    if counts[_DONE] is None:
        counts = (*counts[:_DONE], done_of(row), *counts[_DONE + 1 :])
    broken = []
    for left, identity in form.by_left:
        if counts[left] is not None:
            found = identity.broken_by(counts)
            if found is not None:
                broken.append((identity, *found))
    return broken


def findings(report: Report) -> Iterator[tuple[Severity, Tell]]:
    """What is wrong or odd in a whole report by the form that it follows."""
    end = Period(report.period).end
    form = form_on(end)
    if report.form is not None:
        named = form_named(report.form)
        place = (report.index, "/form")
        if named is None:
            yield "error", partial(fault, *place, "unknown_form", UNKNOWN)
            return
        if not serves(named, end):
            why = _not_in_force(named, form)
            yield "error", partial(fault, *place, "form_not_in_force", why)
            return
        form = named
    for number, row in enumerate(report.rows):
        if not row.removed:
            for identity, stands, should in contradictions(form, row):
                row_at = (report.index, number)
                told = partial(_told, *row_at, identity, stands, should, form)
                yield identity.severity, told


def _told(
    index: int, number: int, identity: Identity, stands: int, should: int, form: Form
) -> Fault:
    member, code = f"/figures/{number}/{identity.left}", f"identity_{identity.id}"
    return fault(index, member, code, _broken(identity, stands, should, form))


UNKNOWN = Text(
    f"Không có mẫu biểu này; dùng một trong: {', '.join(form.id for form in FORMS)}.",
    f"No such forms; name one of {', '.join(form.id for form in FORMS)}.",
)


def _not_in_force(named: Form, standing: Form) -> Text:
    return Text(
        f"Mẫu biểu {named.id}/TT-BTP không dùng cho kỳ này; hãy dùng {standing.id},"
        " hoặc bỏ trống form.",
        f"The forms of {named.id}/TT-BTP do not serve this period: use those of"
        f" {standing.id}, or leave `form` out.",
    )


def _broken(identity: Identity, stands: int, should: int, form: Form) -> Text:
    return Text(
        f"{identity} (biểu mẫu {form.id}/TT-BTP): là {stands}, phải"
        f" {'không quá' if identity.at_most else 'là'} {should}.",
        f"{identity} (forms of {form.id}/TT-BTP): it is {stands}, and should be"
        f" {'at most ' if identity.at_most else ''}{should}.",
    )

"""What nearly every report of a month passes, asked of its columns, not of its rows.

A national month has 21 000 rows, and asking each of them the same questions takes
longer than anything else before the database. `all_hold` never finds a fault: where it
is not certain that there is none, the rows are asked one by one, and say what is wrong.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from operator import add, le
from typing import Any

from services.ingest.domain.forms import Column, Form, form_on
from services.ingest.domain.reports import COLUMNS, COLUMNS_OF, Row

_DONE, _ENFORCEABLE = COLUMNS.index("done"), COLUMNS.index("enforceable")
_PARTS = tuple(map(COLUMNS.index, ("completed", "terminated", "reduced")))


def all_hold(rows: Iterable[Row], end: date) -> bool:
    """Whether it is certain that these rows are sound and break no identity of the
    forms in force on the period's last day.

    The rows of each measure must give the same columns; none has a published rate, and
    none is taken back.
    """
    tables: dict[str, list[Sequence[int | None]]] = defaultdict(list)
    for measure, _, counts, rate, removed in rows:
        if removed or rate is not None:
            return False
        tables[measure].append(counts)
    form = form_on(end)
    return all(_holds(form, measure, table) for measure, table in tables.items())


def _holds(form: Form, measure: str, table: Sequence[Sequence[int | None]]) -> bool:
    given: dict[int, Column] = {}
    for index, column in enumerate(zip(*table, strict=True)):
        if column[0] is not None:
            given[index] = column
        elif column.count(None) < len(column):
            return False
    if not given.keys() <= _ALLOWED[measure] or _ENFORCEABLE not in given:
        return False
    try:
        return (
            _reckon_done(given)
            and all(map(le, given[_DONE], given[_ENFORCEABLE]))
            and all(one.holds_in(given) for left, one in form.by_left if left in given)
        )
    except TypeError:  # a column that not all of the rows give
        return False


_ALLOWED = {
    measure: frozenset(map(COLUMNS.index, names))
    for measure, names in COLUMNS_OF.items()
}


def _reckon_done(given: dict[int, Column]) -> bool:
    """Put what counts as done where it was not given; False where both are, or none."""
    completed, terminated, reduced = map(given.get, _PARTS)
    if _DONE in given:
        return completed is None
    if completed is None:
        return False
    done: Any = completed
    if terminated is not None:
        done = map(add, done, terminated)
        if reduced is not None:
            done = map(add, done, reduced)
    given[_DONE] = tuple(done)
    return True

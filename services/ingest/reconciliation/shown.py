"""A reconciliation as the API gives it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from typing_extensions import TypedDict

from libs.common.clock import written
from libs.common.database import Row
from services.ingest.cases.shown import as_sent
from services.ingest.domain.cases import id_of
from services.ingest.domain.reconciling import Difference


class ColumnShown(TypedDict):
    """One column both ways; `difference` is reported less recorded.

    `entered` and `left` count cases that later records moved in or out since the
    report was received: its likely reasons.
    """

    measure: str
    column: str
    reported: int | None
    records: int | None
    difference: int | None
    why: str | None
    entered: int | None
    left: int | None


class ReportHead(TypedDict):
    """Which revision was compared."""

    revision: int
    received_at: str | None


class CountedCase(TypedDict):
    """A case that the column counts, or counted when the report was received."""

    id: str
    unit: str
    case_no: str
    status: str
    status_since: date
    as_of: str
    counted: bool
    reasons: list[str]


class ReconciliationShown(TypedDict):
    """A unit's report beside its case records at the period's end."""

    unit: str
    period: str
    cut_off: date
    report: ReportHead | None
    columns: list[ColumnShown]


def reconciliation(
    unit: str,
    period: str,
    cut_off: date,
    head: Row | None,
    differences: Sequence[Difference],
) -> ReconciliationShown:
    """All columns."""
    return ReconciliationShown(
        unit=unit,
        period=period,
        cut_off=cut_off,
        report=None
        if head is None
        else ReportHead(
            revision=head["revision"], received_at=written(head["received_at"])
        ),
        columns=[_column(one, head is not None) for one in differences],
    )


def _column(one: Difference, reported: bool) -> ColumnShown:
    return ColumnShown(
        measure=one.measure,
        column=one.column,
        reported=one.reported,
        records=one.records,
        difference=one.difference,
        why=one.why,
        entered=one.entered if reported else None,
        left=one.left if reported else None,
    )


def counted(row: Row, *, reported: bool) -> CountedCase:
    """A case, and why a report may have counted it otherwise."""
    reasons = ["changed_later"] if row["changed_later"] else []
    if reported and row["counted"] != row["counted_then"]:
        reasons.append("received_later")
    return CountedCase(
        id=id_of(row["id"]),
        unit=row["unit"],
        case_no=row["case_no"],
        status=row["status"],
        status_since=row["status_since"],
        as_of=as_sent(row["as_of"]),
        counted=row["counted"],
        reasons=reasons,
    )

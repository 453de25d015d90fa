"""Units, reports, receipts and batches as the API gives them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any, NotRequired

from typing_extensions import TypedDict

from libs.common.clock import written
from libs.common.database import Row
from libs.common.problems import Fault
from services.ingest.domain.changes import Change
from services.ingest.domain.reports import COLUMNS
from services.ingest.usecases import Receipt, report_index


class UnitShown(TypedDict):
    """A unit as of a day."""

    code: str
    name: str
    kind: str
    parent: str | None
    valid_from: date
    valid_to: date | None
    aliases: list[str]
    codes: list[dict[str, Any]]


class DocumentShown(TypedDict):
    """The document that decided it."""

    number: str
    date: date


ReorganisationShown = TypedDict(
    "ReorganisationShown",
    {
        "effective": date,
        "from": list[str],
        "into": list[str],
        "shares": NotRequired[dict[str, str]],
        "document": DocumentShown,
    },
)
"""Which units became which on a day, as far as the key sees them."""


class Rejected(TypedDict):
    """A fault or an oddity, and which report or record of the body it is in."""

    index: int
    pointer: str
    code: str
    message: dict[str, str]


class ReceiptShown(TypedDict):
    """What became of a body; the counts are reports, or case records."""

    batch: str
    accepted: int
    unchanged: int
    rejected: list[Rejected]
    warnings: list[Rejected]


class Escalations(TypedDict):
    """What a batch's figures opened and closed."""

    opened: int
    closed: int


class Preview(TypedDict):
    """What a dry run would change; each list holds at most 1,000 of its `counts`."""

    scorecards: list[dict[str, Any]]
    opens: list[dict[str, Any]]
    updates: list[dict[str, Any]]
    closes: list[dict[str, Any]]
    counts: dict[str, int]


class BatchShown(TypedDict):
    """How far a batch has come: received, scored, evaluated, or failed."""

    batch: str
    state: str
    received_at: str | None
    scored_at: NotRequired[str | None]
    evaluated_at: NotRequired[str | None]
    escalations: Escalations
    problem: NotRequired[str]
    preview: NotRequired[Preview]


class ReportShown(TypedDict):
    """One unit's report for one period, with the rows that stand."""

    unit: str
    period: str
    revision: int
    form: str | None
    reason: str | None
    received_at: str | None
    correction: bool
    figures: list[dict[str, Any]]


class Author(TypedDict):
    """Whose key it was."""

    key: str
    name: str | None


class RevisionShown(TypedDict):
    """One revision of a report: who, when, why, and the rows that it changed."""

    revision: int
    received_at: str | None
    author: Author
    reason: str | None
    form: str | None
    correction: bool
    batch: str
    figures: list[dict[str, Any]]


def unit(row: Row) -> UnitShown:
    """A dated row of the tree."""
    return UnitShown(
        code=row["code"],
        name=row["name"],
        kind=row["kind"],
        parent=row["parent"],
        valid_from=row["valid_from"],
        valid_to=row["valid_to"],
        aliases=row["aliases"],
        codes=row["codes"],
    )


def reorganisation(change: Change, sees: Callable[[str], bool]) -> ReorganisationShown:
    """A change with those of its units that may be named."""
    shown: ReorganisationShown = {
        "effective": change.effective,
        "from": [code for code in change.predecessors if sees(code)],
        "into": [code for code in change.successors if sees(code)],
        "document": DocumentShown(
            number=str(change.document["number"]),
            date=date.fromisoformat(str(change.document["date"])),
        ),
    }
    if change.shares:
        shown["shares"] = {
            code: f"{share.normalize():f}"
            for code, share in change.shares.items()
            if sees(code)
        }
    return shown


def receipt(made: Receipt) -> ReceiptShown:
    """A receipt with all that was refused, and all that was odd."""
    return ReceiptShown(
        batch=made.batch,
        accepted=made.accepted,
        unchanged=made.unchanged,
        rejected=[_rejected(fault) for fault in made.rejected],
        warnings=[_rejected(fault) for fault in made.warnings],
    )


def _rejected(fault: Fault) -> Rejected:
    return Rejected(
        index=report_index(fault),
        pointer=fault.pointer,
        code=fault.code,
        message=fault.message.both(),
    )


MOST_PREVIEWED = 1000


def batch(row: Row, preview: dict[str, list[Any]] | None = None) -> BatchShown:
    """A batch; `problem` is the last error of an event that failed every try."""
    shown = BatchShown(
        batch=row["id"],
        state=_state(row),
        received_at=written(row["received_at"]),
        escalations=Escalations(opened=row["opened"], closed=row["closed"]),
    )
    if row["scored_at"]:
        shown["scored_at"] = written(row["scored_at"])
    if row["evaluated_at"]:
        shown["evaluated_at"] = written(row["evaluated_at"])
    if row["problem"]:
        shown["problem"] = row["problem"]
    if preview is not None:
        shown["preview"] = _preview(preview)
    return shown


def _preview(whole: dict[str, list[Any]]) -> Preview:
    cut = {name: items[:MOST_PREVIEWED] for name, items in whole.items()}
    return Preview(
        scorecards=cut["scorecards"],
        opens=cut["opens"],
        updates=cut["updates"],
        closes=cut["closes"],
        counts={name: len(items) for name, items in whole.items()},
    )


def _state(row: Row) -> str:
    if row["problem"]:
        return "failed"
    if row["evaluated_at"]:
        return "previewed" if row["dry_run"] else "evaluated"
    return "scored" if row["scored_at"] else "received"


def report(head: Row, rows: list[Row]) -> ReportShown:
    """A revision with its rows."""
    return ReportShown(
        unit=head["unit"],
        period=head["period"],
        revision=head["revision"],
        form=head["form"],
        reason=head["reason"],
        received_at=written(head["received_at"]),
        correction=head["correction"],
        figures=[_figure(row) for row in rows],
    )


def revision(head: Row, rows: list[Row]) -> RevisionShown:
    """A revision with the rows that it changed; `withdrawn: true` took one back."""
    return RevisionShown(
        revision=head["revision"],
        received_at=written(head["received_at"]),
        author=Author(key=head["author"], name=head["author_name"]),
        reason=head["reason"],
        form=head["form"],
        correction=head["correction"],
        batch=head["batch"],
        figures=[_figure(row) for row in rows],
    )


def _figure(row: Row) -> dict[str, Any]:
    """A row: only what it has, with the revision that brought it."""
    shown: dict[str, Any] = {"measure": row["measure"], "category": row["category"]}
    if row["published_rate"] is not None:
        shown["published_rate"] = str(row["published_rate"])
    shown |= {name: row[name] for name in COLUMNS if row[name] is not None}
    if row["removed"]:
        shown["withdrawn"] = True
    shown["revision"] = row["revision"]
    shown["source"] = {
        "document": row["document"],
        "date": row["document_date"],
        "illustrative": row["illustrative"],
    }
    return shown

"""Mappings, categories and an upload's receipt as the API gives them."""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict

from libs.common.clock import written
from libs.common.database import Row
from libs.common.problems import Fault
from services.ingest.domain.drafts import Read
from services.ingest.shown import ReceiptShown, Rejected
from services.ingest.usecases import Receipt, report_index


class MappingShown(TypedDict):
    """A version of a mapping; `mapping` may be put again as it stands."""

    name: str
    version: int
    recorded_at: str | None
    mapping: dict[str, Any]


class Title(TypedDict):
    """What people call it."""

    vi: str
    en: str


class CategoryShown(TypedDict):
    """A declared category; those of one `partition` add up to the whole."""

    code: str
    title: Title
    partition: str | None


def mapping(row: Row) -> MappingShown:
    """A stored version."""
    return MappingShown(
        name=row["name"],
        version=row["version"],
        recorded_at=written(row["recorded_at"]),
        mapping=row["body"],
    )


def category(row: Row) -> CategoryShown:
    """A declared category."""
    return CategoryShown(
        code=row["code"],
        title=Title(vi=row["vi"], en=row["en"]),
        partition=row["partition"],
    )


def receipt(made: Receipt, read: Read) -> ReceiptShown:
    """The receipt that JSON gets, its pointers into the file."""
    return ReceiptShown(
        batch=made.batch,
        accepted=made.accepted,
        unchanged=made.unchanged,
        rejected=[_rejected(fault, read) for fault in made.rejected],
        warnings=[_rejected(fault, read) for fault in made.warnings],
    )


def _rejected(fault: Fault, read: Read) -> Rejected:
    own = fault.pointer.startswith("/reports/")
    placed = read.placed(fault)
    return Rejected(
        index=report_index(fault) if own else -1,
        pointer=placed.pointer,
        code=fault.code,
        message=fault.message.both(),
    )

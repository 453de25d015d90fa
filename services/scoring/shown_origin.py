"""How a figure came about, as the API gives it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import NotRequired

from typing_extensions import TypedDict

from libs.common.clock import written
from libs.common.database import Row
from libs.common.figures import published
from services.scoring.domain.indicators import Indicator
from services.scoring.shown import Document
from services.scoring.shown_past import text
from services.scoring.store import FIGURE_COLUMNS


class Reported(TypedDict):
    """A row as it was reported."""

    revision: int
    document: str | None
    date: str | None
    form: str | None
    received_at: str | None
    published_rate: str | None
    columns: dict[str, int]


class Definition(TypedDict):
    """Which version of which indicator the rate is."""

    indicator: str
    version: int


class Child(TypedDict):
    """What a unit below gave to a sum: its own counts, or the sum of its children."""

    unit: str
    done: int
    enforceable: int


class TargetSet(TypedDict):
    """The target that holds, as it was set for the year, and by which decision."""

    unit: str
    rate: str
    operator: str
    basis: str | dict[str, str]
    document: Document


class Predecessor(TypedDict):
    """What a unit that this one came from had, a year earlier; null with a why."""

    unit: str
    share: str | None
    done: int | None
    enforceable: int | None
    rate: str | None
    why: NotRequired[str]


class Decided(TypedDict):
    """The document of a reorganisation."""

    number: str
    date: str


Became = TypedDict(
    "Became",
    {"effective": str, "from": list[str], "into": str, "document": Decided},
)
"""Units that became another since a year earlier, and by which document."""


class Origin(TypedDict):
    """How a row's figures came about.

    `reported` is null where the row is the sum of its `children`. `last_year` is the
    row of the same unit a year earlier; where there was none, `predecessors` are what
    stood in for it, or could not, and `lineage` says how they became this unit.
    """

    reported: Reported | None
    definition: Definition | None
    children: list[Child]
    target: TargetSet | None
    last_year: Reported | None
    predecessors: list[Predecessor]
    lineage: list[Became]


@dataclass(frozen=True, slots=True)
class Behind:
    """The stored rows behind one row of a scorecard."""

    reported: Row | None
    definition: Indicator | None
    day: date
    children: Sequence[Row]
    last_year: Row | None
    target: Row | None
    predecessors: Sequence[Row]
    lineage: Sequence[Row]


def origin(behind: Behind) -> Origin:
    """Everything that a row was computed from."""
    version = behind.definition and behind.definition.on(behind.day)
    return Origin(
        reported=_reported(behind.reported),
        definition=Definition(indicator=behind.definition.id, version=version.number)
        if behind.definition and version
        else None,
        children=[
            Child(unit=c["unit"], done=c["done"], enforceable=c["enforceable"])
            for c in behind.children
        ],
        target=_target(behind.target),
        last_year=_reported(behind.last_year),
        predecessors=[_predecessor(row) for row in behind.predecessors],
        lineage=[_became(row) for row in behind.lineage],
    )


def _reported(row: Row | None) -> Reported | None:
    if row is None:
        return None
    day: date | None = row["document_date"]
    return Reported(
        revision=row["revision"],
        document=row["document"],
        date=day.isoformat() if day else None,
        form=row["form"],
        received_at=written(row["received_at"]),
        published_rate=text(row["published_rate"]),
        columns={n: row[n] for n in FIGURE_COLUMNS if row[n] is not None},
    )


def _target(row: Row | None) -> TargetSet | None:
    if row is None:
        return None
    return TargetSet(
        unit=row["unit"],
        rate=str(row["rate"]),
        operator=row["operator"],
        basis=row["basis"],
        document=row["document"],
    )


def _predecessor(row: Row) -> Predecessor:
    done, enforceable = row["done"], row["enforceable"]
    known = done is not None and enforceable is not None
    shown = Predecessor(
        unit=row["part"],
        share=None if row["share"] is None else f"{row['share'].normalize():f}",
        done=done,
        enforceable=enforceable,
        rate=text(published(done, enforceable)) if known else None,
    )
    if row["why"]:
        shown["why"] = row["why"]
    return shown


def _became(row: Row) -> Became:
    return {
        "effective": row["effective"].isoformat(),
        "from": row["predecessors"],
        "into": row["successor"],
        "document": row["document"],
    }

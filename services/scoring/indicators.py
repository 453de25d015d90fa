"""Reads `indicators.yaml`: adding an indicator is editing that file."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from decimal import Decimal
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter

from services.scoring.domain.indicators import (
    Basis,
    Duty,
    Fraction,
    Indicator,
    Version,
    Words,
    computed,
)
from services.scoring.schemas import Category, Measure, Rate
from services.scoring.store import FIGURE_COLUMNS

FILE = Path(__file__).with_name("indicators.yaml")


def _column(name: str) -> str:
    if name not in FIGURE_COLUMNS:
        raise ValueError(f"no such column; those of a report: {FIGURE_COLUMNS}")
    return name


Column = Annotated[str, AfterValidator(_column)]
Columns = Annotated[list[Column], Field(min_length=1)]
Id = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,59}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Words(_Strict):
    vi: Annotated[str, Field(min_length=1)]
    en: Annotated[str, Field(min_length=1)]

    def read(self) -> Words:
        return Words(self.vi, self.en)


class _Basis(_Strict):
    document: str
    date: datetime.date | None = None
    at: str | None = None


class _Duty(_Strict):
    rate: Rate
    operator: Literal["at_least", "more_than"]
    duty: str | None = None


class _Version(_Strict):
    first: Annotated[datetime.date, Field(alias="from")]
    to: datetime.date | None = None
    numerator: Columns
    denominator: Columns
    note: _Words | None = None
    basis: _Basis | None = None
    target: _Duty | None = None

    def read(self, number: int) -> Version:
        basis, target = self.basis, self.target
        return Version(
            number,
            self.first,
            self.to,
            Fraction(tuple(self.numerator), tuple(self.denominator)),
            self.note.read() if self.note else None,
            Basis(basis.document, basis.date, basis.at) if basis else None,
            Duty(Decimal(target.rate), target.operator, target.duty)
            if target
            else None,
        )


def _in_order(versions: list[_Version]) -> list[_Version]:
    for earlier, later in pairwise(versions):
        if earlier.to is None or earlier.to > later.first:
            raise ValueError("versions follow each other: `to` before the next `from`")
    if any(v.to is not None and v.to <= v.first for v in versions):
        raise ValueError("`to` is the first day out, later than `from`")
    return versions


class _Indicator(_Strict):
    id: Id
    title: _Words
    explanation: _Words
    measures: Annotated[list[Measure], Field(min_length=1)]
    rate_of: list[Measure] = []
    category: Category | None = None
    versions: Annotated[list[_Version], Field(min_length=1), AfterValidator(_in_order)]

    def read(self) -> Indicator:
        return Indicator(
            self.id,
            self.title.read(),
            self.explanation.read(),
            tuple(self.measures),
            tuple(self.rate_of),
            self.category,
            tuple(v.read(n) for n, v in enumerate(self.versions, 1)),
        )


def load(text: str) -> tuple[Indicator, ...]:
    """Every indicator of a file's text. Raises ValueError, saying where."""
    listed = TypeAdapter(list[_Indicator]).validate_python(yaml.safe_load(text))
    ids = [one.id for one in listed]
    if len(set(ids)) < len(ids):
        raise ValueError(f"an id stands twice: {ids}")
    read = tuple(one.read() for one in listed)
    _check_rates(read)
    return read


def _check_rates(read: Sequence[Indicator]) -> None:
    """A row has one own rate, and it is the one that the database computes."""
    taken: dict[tuple[str, str | None], str] = {}
    for one in read:
        for cell in one.rates():
            if cell in taken:
                raise ValueError(
                    f"{one.id} and {taken[cell]} are both the rate of {cell}"
                )
            taken[cell] = one.id
            for version in one.versions:
                if version.fraction != computed(*cell):
                    raise ValueError(
                        f"{one.id}, version {version.number}: the rate of {cell} that"
                        f" the database computes is {computed(*cell)}; drop rate_of"
                    )


@cache
def shipped() -> tuple[Indicator, ...]:
    """Those that come with this version."""
    return load(FILE.read_text("utf-8"))

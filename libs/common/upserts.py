"""What became of rows that were put: the answer of every PUT that upserts."""

from __future__ import annotations

from typing_extensions import TypedDict


class Upserted(TypedDict):
    """How many rows were new, changed, or there already with the same values."""

    created: int
    updated: int
    unchanged: int

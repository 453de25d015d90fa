"""What alerts takes over HTTP."""

from __future__ import annotations

import datetime
from typing import Annotated, Literal

from pydantic import Field

from libs.common.http import Body, Day

Severity = Literal["low", "medium", "high", "critical"]


class EvaluationIn(Body):
    """Judge a period now: by some rules or all, as of a day, for good or to see."""

    period: Annotated[str, Field(max_length=10, examples=["2022M05"])]
    rules: Annotated[list[str], Field(min_length=1, max_length=1000)] | None = None
    at: (
        Annotated[
            Day, Field(ge=datetime.date(2000, 1, 1), lt=datetime.date(2200, 1, 1))
        ]
        | None
    ) = None
    dry_run: bool = False

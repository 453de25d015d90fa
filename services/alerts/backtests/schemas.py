"""What is taken over HTTP to judge a rule over past periods."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from libs.common.http import Body

Month = Annotated[str, Field(pattern=r"^[0-9]{4}M(0[1-9]|1[0-2])$")]


class BacktestIn(Body):
    """From which month to which; by default the newest version, as known now."""

    from_: Annotated[Month, Field(alias="from", examples=["2020M10"])]
    to: Annotated[Month, Field(examples=["2022M05"])]
    version: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    known: Literal["then", "now"] = "now"

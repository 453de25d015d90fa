"""What is taken over HTTP to move a version of a rule."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from libs.common.http import Body, PlainText

Version = Annotated[int, Field(ge=1, lt=2**31, examples=[3])]


class MoveIn(Body):
    """Which version, and why, if there is something to say."""

    version: Version
    reason: Annotated[PlainText, Field(min_length=1, max_length=2000)] | None = None

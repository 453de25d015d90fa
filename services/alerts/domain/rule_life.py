"""The states of a version of a rule, and the moves between them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class RuleState(StrEnum):
    """Where a version stands. Only what is active opens, changes or closes matters."""

    DRAFT = "draft"
    SHADOW = "shadow"
    ACTIVE = "active"
    RETIRED = "retired"


class Move(StrEnum):
    """What a steward does with a version; each is a route."""

    SHADOW = "shadow"
    ACTIVATE = "activate"
    RETIRE = "retire"


class Change(StrEnum):
    """What became of a version, as its history says it."""

    DRAFTED = "drafted"
    SHADOWED = "shadowed"
    ACTIVATED = "activated"
    RETIRED = "retired"


BECOMES: Final[Mapping[Move, tuple[RuleState, Change]]] = {
    Move.SHADOW: (RuleState.SHADOW, Change.SHADOWED),
    Move.ACTIVATE: (RuleState.ACTIVE, Change.ACTIVATED),
    Move.RETIRE: (RuleState.RETIRED, Change.RETIRED),
}

_POSSIBLE: Final[Mapping[RuleState, tuple[Move, ...]]] = {
    RuleState.DRAFT: (Move.SHADOW, Move.ACTIVATE, Move.RETIRE),
    RuleState.SHADOW: (Move.ACTIVATE, Move.RETIRE),
    RuleState.ACTIVE: (Move.RETIRE,),
    RuleState.RETIRED: (),
}


def possible(state: RuleState) -> tuple[Move, ...]:
    """The moves of a version; retired is the end: the same text comes back as a
    version of its own.

    >>> possible(RuleState.SHADOW)
    (<Move.ACTIVATE: 'activate'>, <Move.RETIRE: 'retire'>)
    """
    return _POSSIBLE[state]

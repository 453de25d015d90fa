"""Whether a condition can ever be true, and whether one is true whenever another is.

Only what is plain is seen: comparisons with a constant that are joined by `and`. What
is not seen is taken to be possible, so nothing good is ever refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from services.alerts.domain.expressions import (
    TURNED,
    All,
    Compare,
    Condition,
    Const,
    Either,
    In,
    Known,
    Leaf,
    Operator,
    Term,
    names_in,
)

_LEAST, _MOST = -(2**63), 2**63


@dataclass(slots=True)
class _Range:
    """What a term may still be: whole numbers between two, or one of some texts."""

    least: int = _LEAST
    most: int = _MOST
    texts: frozenset[object] | None = None

    @property
    def empty(self) -> bool:
        return self.least > self.most or self.texts == frozenset()

    def within(self, other: _Range) -> bool:
        if other.texts is not None:
            return self.texts is not None and self.texts <= other.texts
        return other.least <= self.least and self.most <= other.most

    def narrow(self, other: _Range) -> None:
        self.least = max(self.least, other.least)
        self.most = min(self.most, other.most)
        if other.texts is not None:
            mine = other.texts if self.texts is None else self.texts
            self.texts = mine & other.texts


@dataclass(slots=True)
class _Known:
    """All that a row of `and` says."""

    ranges: dict[Term, _Range] = field(default_factory=dict)
    leaves: set[Leaf] = field(default_factory=set)
    given: set[str] = field(default_factory=set)
    absent: set[str] = field(default_factory=set)


def possible(*conditions: Condition) -> bool:
    """Whether all of these can be true of one row."""
    known = _gathered(conditions)
    return not known.given & known.absent and not any(
        one.empty for one in known.ranges.values()
    )


def follows(condition: Condition, *given: Condition) -> bool:
    """Whether a condition is true of every row of which all the given are."""
    return _follows(condition, _gathered(given))


def _follows(condition: Condition, known: _Known) -> bool:
    if isinstance(condition, All):
        return all(_follows(part, known) for part in condition.parts)
    if isinstance(condition, Either):
        return any(_follows(part, known) for part in condition.parts)
    if condition in known.leaves:
        return True
    if isinstance(condition, Known):
        names = known.given if condition.wanted else known.absent
        return condition.ref.name in names
    found = _range(condition)
    return found is not None and (
        found[0] in known.ranges and known.ranges[found[0]].within(found[1])
    )


def _gathered(conditions: Iterable[Condition]) -> _Known:
    known = _Known()
    for condition in conditions:
        parts = condition.parts if isinstance(condition, All) else (condition,)
        for part in parts:
            if not isinstance(part, (All, Either)):
                _gather(part, known)
    return known


def _gather(leaf: Leaf, known: _Known) -> None:
    known.leaves.add(leaf)
    if isinstance(leaf, Known):
        (known.given if leaf.wanted else known.absent).add(leaf.ref.name)
        return
    known.given |= names_in(leaf)
    found = _range(leaf)
    if found is not None:
        known.ranges.setdefault(found[0], _Range()).narrow(found[1])


def _range(leaf: Leaf) -> tuple[Term, _Range] | None:
    """Which term a leaf bounds, and how; None where it says nothing so plain."""
    if isinstance(leaf, In):
        texts = frozenset[object](leaf.texts)
        return (leaf.ref, _Range(texts=texts)) if leaf.wanted else None
    if not isinstance(leaf, Compare):
        return None
    op, term, value = leaf.operator, leaf.left, leaf.right
    if isinstance(term, Const):
        op, term, value = TURNED[op], leaf.right, leaf.left
    if not isinstance(value, Const) or isinstance(term, Const):
        return None
    if isinstance(value.value, (bool, str)):
        exact = _Range(texts=frozenset[object]({value.value}))
        return (term, exact) if op == "eq" else None
    bounds = _bounds(op, value.value)
    return (term, bounds) if bounds is not None else None


def _bounds(op: Operator, value: int) -> _Range | None:
    match op:
        case "lt":
            return _Range(most=value - 1)
        case "le":
            return _Range(most=value)
        case "gt":
            return _Range(least=value + 1)
        case "ge":
            return _Range(least=value)
        case "eq":
            return _Range(value, value)
        case _:
            return None

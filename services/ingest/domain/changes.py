"""Reorganisations found again among the links that are kept of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from services.ingest.domain.lineage import Link


@dataclass(frozen=True, slots=True)
class Change:
    """Units that became others on a day, by a document."""

    effective: date
    predecessors: tuple[str, ...]
    successors: tuple[str, ...]
    document: Mapping[str, object]
    shares: Mapping[str, Decimal]
    """Of a unit that was split, by successor; empty where none were decided."""


def changes(links: Sequence[tuple[Link, Mapping[str, object]]]) -> list[Change]:
    """The latest first.

    A unit ends, or begins, in one change of a day and no other, and each of a change's
    units became all of the new ones: what came from the same is of one change.
    """
    old: dict[tuple[date, str], set[str]] = {}
    documents: dict[tuple[date, str], Mapping[str, object]] = {}
    shares: dict[tuple[date, str], Decimal] = {}
    for link, document in links:
        if link.share is not None:
            shares[link.effective, link.successor] = link.share
        old.setdefault((link.effective, link.successor), set()).add(link.predecessor)
        documents.setdefault((link.effective, link.successor), document)
    new: dict[tuple[date, tuple[str, ...]], list[str]] = {}
    for (day, successor), predecessors in old.items():
        new.setdefault((day, tuple(sorted(predecessors))), []).append(successor)
    made = [
        Change(
            day,
            predecessors,
            tuple(sorted(some)),
            documents[day, some[0]],
            {code: shares[day, code] for code in sorted(some) if (day, code) in shares},
        )
        for (day, predecessors), some in new.items()
    ]
    made.sort(key=lambda one: one.predecessors)
    return sorted(made, key=lambda one: one.effective, reverse=True)

"""Rankings as the API gives them."""

from __future__ import annotations

from typing import Literal, NotRequired

from typing_extensions import TypedDict

from libs.common.database import Row
from services.scoring.shown_past import minus, text


class PeerGroup(TypedDict):
    """A quarter of the ranked units, 1 the smallest, and the place within it."""

    size: int
    position: int
    of: int


class RankingLine(TypedDict):
    """One printed line; `stt` counts what is printed.

    `why` says of an unranked unit that it has no rate, or less to enforce than was
    asked for. `group` is there with `peers`; null where its size is not known.
    """

    stt: int
    rank: int | None
    unit: str
    name: str
    rate: str | None
    above_national: str | None
    why: NotRequired[Literal["no_rate", "below_minimum"]]
    group: NotRequired[PeerGroup | None]


class Ranking(TypedDict):
    """The letter's appendix."""

    period: str
    measure: str
    category: str
    kind: str
    national: RankingLine | None
    items: list[RankingLine]
    next: str | None


def ranking_line(row: Row, *, after_national: bool, by_size: bool) -> RankingLine:
    """One unit, ranked or not."""
    shown = RankingLine(
        stt=row["line"] + after_national,
        rank=row["rank"],
        unit=row["unit"],
        name=row["name"],
        rate=text(row["rate"]),
        above_national=text(minus(row["rate"], row["national_rate"])),
    )
    if row["rank"] is None:
        shown["why"] = "no_rate" if row["rate"] is None else "below_minimum"
    if by_size:
        shown["group"] = _peers(row)
    return shown


def _peers(row: Row) -> PeerGroup | None:
    if row["size"] is None:
        return None
    return PeerGroup(size=row["size"], position=row["size_rank"], of=row["size_of"])


def national_line(row: Row) -> RankingLine:
    """The national row: first, STT 1, without a rank."""
    return RankingLine(
        stt=1,
        rank=None,
        unit=row["unit"],
        name=row["name"],
        rate=text(row["rate"]),
        above_national=None,
    )

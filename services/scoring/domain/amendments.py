"""Which decisions may follow each other as the word on one target."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from datetime import date

from libs.common.problems import Text


@dataclass(frozen=True, slots=True)
class Decision:
    """A document that set a target, and the number of the one that it amends."""

    number: str
    day: date
    amends: str | None


def contradiction(
    known: Container[str], in_force: Decision | None, new: Decision
) -> tuple[str, str, Text] | None:
    """(member, code, text) where a decision cannot follow a chain; None where it can.

    `known` are the numbers of the whole chain, `in_force` is its last. A decision that
    names none in `amends` takes the place of the one in force all the same.
    """
    if new.amends == new.number:
        return "amends", "amends_itself", _ITSELF
    if new.number in known:
        return "number", "document_contradicts", _contradicts(new.number)
    if new.amends is not None and new.amends not in known:
        return "amends", "amends_unknown", _sets_none(new.amends)
    if in_force is None:
        return None
    if new.amends not in (None, in_force.number):
        return "amends", "amends_superseded", _superseded(new.amends, in_force)
    if new.day < in_force.day:
        return "date", "amends_later", _earlier(in_force)
    return None


_ITSELF = Text(
    "Văn bản không tự sửa đổi chính nó; amends là số của văn bản đang có hiệu lực.",
    "A document does not amend itself; `amends` names the one in force.",
)


def _contradicts(number: str) -> Text:
    return Text(
        f"«{number}» đã giao chỉ tiêu này với nội dung khác; hãy gửi văn bản sửa đổi nó"
        " (amends).",
        f"{number!r} set this target already, with another content; send the document"
        " that amends it.",
    )


def _sets_none(number: str) -> Text:
    return Text(
        f"«{number}» chưa giao chỉ tiêu này; hãy gửi văn bản đó trước, hoặc bỏ amends.",
        f"{number!r} set no target of this unit, year, measure and category; send that"
        " document first, or leave `amends` out.",
    )


def _superseded(number: str | None, in_force: Decision) -> Text:
    return Text(
        f"«{number}» không còn hiệu lực; hãy sửa đổi «{in_force.number}».",
        f"{number!r} is no longer in force; amend {in_force.number!r}.",
    )


def _earlier(in_force: Decision) -> Text:
    number, day = in_force.number, in_force.day
    return Text(
        f"«{number}» ngày {day} đang có hiệu lực; văn bản thay nó không thể có ngày sớm"
        " hơn.",
        f"{number!r} of {day} is in force; what takes its place is not dated before.",
    )

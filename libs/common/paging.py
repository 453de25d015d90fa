"""Lists by keyset: an opaque cursor says where the next page starts."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Generic, TypeVar

from fastapi import Query
from typing_extensions import TypedDict

from libs.common.problems import Text, Unacceptable

Row = TypeVar("Row")
Item = TypeVar("Item")


class Page(TypedDict, Generic[Item]):
    """A list's page; `next` is null on the last one."""

    items: list[Item]
    next: str | None


Limit = Annotated[int, Query(ge=1, le=1000, description="How many items at most.")]
Cursor = Annotated[
    str | None, Query(max_length=500, description="`next` of the page before.")
]


def read_cursor(cursor: str | None, *kinds: type) -> tuple[object, ...] | None:
    """The keys that a cursor holds; raises when it is not one of ours."""
    if cursor is None:
        return None
    try:
        keys = json.loads(base64.urlsafe_b64decode(cursor + "=="))
    except (ValueError, binascii.Error):
        keys = None
    if (
        not isinstance(keys, list)
        or len(keys) != len(kinds)
        or not all(type(k) is kind for k, kind in zip(keys, kinds, strict=True))
        or any(isinstance(k, int) and not 0 <= k < 2**63 for k in keys)
        or any(isinstance(k, str) and not _storable(k) for k in keys)
    ):
        raise bad_cursor()
    return tuple(keys)


def _storable(text: str) -> bool:
    """Whether PostgreSQL can compare with it: no NUL, no lone surrogate."""
    return "\x00" not in text and not any("\ud800" <= c <= "\udfff" for c in text)


def bad_cursor() -> Unacceptable:
    """422: a cursor that no list of ours gave."""
    return Unacceptable(
        "bad_cursor",
        Text(
            "Con trỏ trang không hợp lệ; hãy dùng nguyên giá trị `next`.",
            "Not a page cursor; send `next` of the page before, unchanged.",
        ),
    )


def page(
    rows: Sequence[Row],
    limit: int,
    keys: Callable[[Row], Sequence[object]],
    shown: Callable[[Row], Item],
) -> Page[Item]:
    """`{items, next}` from at most limit + 1 rows; `next` is null on the last page."""
    kept = rows[:limit]
    after = None
    if len(rows) > limit:
        text = json.dumps(list(keys(kept[-1])), ensure_ascii=False)
        after = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    return Page(items=[shown(row) for row in kept], next=after)

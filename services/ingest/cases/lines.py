"""A body as numbered lines in pieces, whichever way it was sent, in bounded memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from json import JSONDecodeError

import msgspec

from libs.common import strict_json
from libs.common.http import JSON_LIMIT
from libs.common.problems import (
    Fault,
    Text,
    TooLarge,
    Unreadable,
    invalid,
    unreadable_json,
)
from services.ingest.cases.intake import LINE
from services.ingest.cases.schemas import UnreadCases
from services.ingest.decoding import type_fault

NDJSON_LIMIT = 2 * 1024 * 1024 * 1024
LINE_LIMIT = 64 * 1024
PIECE = 200
"""Records of a JSON body read at a time, so that others are answered in between."""

PATIENCE = 60
"""Seconds to wait for more of a body; its transaction is open meanwhile."""

_UNREAD = msgspec.json.Decoder(UnreadCases)


async def of_ndjson(chunks: AsyncIterator[bytes]) -> AsyncIterator[Sequence[LINE]]:
    """One record a line; blank lines count and say nothing.

    The index is the line's number from 0, as it would be in an array.
    """
    rest, first = b"", 0
    async for chunk in _bounded(chunks, NDJSON_LIMIT):
        *whole, rest = (rest + chunk).split(b"\n")
        yield _numbered(whole, first)
        first += len(whole)
        if len(rest) > LINE_LIMIT:
            raise _line_too_long(first)
    yield _numbered([rest], first)


def _numbered(lines: Sequence[bytes], first: int) -> Sequence[LINE]:
    found: list[LINE] = []
    for index, line in enumerate(lines, first):
        if len(line) > LINE_LIMIT:
            raise _line_too_long(index)
        if line and not line.isspace():
            found.append((index, line))
    return found


async def of_json(chunks: AsyncIterator[bytes]) -> AsyncIterator[Sequence[LINE]]:
    """The members of `cases`, some at a time."""
    body = b"".join([chunk async for chunk in _bounded(chunks, JSON_LIMIT)])
    records = await asyncio.to_thread(_records, body)
    for start in range(0, len(records), PIECE):
        yield list(enumerate(records[start : start + PIECE], start))


def _records(body: bytes) -> list[msgspec.Raw]:
    try:
        if body.count(b'"cases"') > 1:
            strict_json.loads(body)
        return _UNREAD.decode(body).cases
    except JSONDecodeError as error:
        raise unreadable_json(error.msg) from None
    except UnicodeDecodeError:
        raise unreadable_json("not UTF-8") from None
    except RecursionError:
        raise unreadable_json("nested too deeply") from None
    except msgspec.ValidationError as error:
        raise invalid([type_fault("", str(error))]) from None
    except msgspec.DecodeError as error:
        raise unreadable_json(str(error)) from None


async def _bounded(chunks: AsyncIterator[bytes], most: int) -> AsyncIterator[bytes]:
    """The same, but neither endless nor for ever on its way."""
    taken = 0
    while True:
        try:
            async with asyncio.timeout(PATIENCE):
                chunk = await anext(chunks, None)
        except TimeoutError:
            raise Unreadable("stalled", _STALLED) from None
        if chunk is None:
            return
        taken += len(chunk)
        if taken > most:
            raise TooLarge("too_large", _too_large(most))
        yield chunk


_STALLED = Text(
    "Dữ liệu ngừng tới giữa chừng; chưa có gì được lưu, hãy gửi lại.",
    "The body stopped arriving; nothing was stored, send it again.",
)


def _too_large(most: int) -> Text:
    mebibytes = most // 1024 // 1024
    return Text(
        f"Dữ liệu vượt quá {mebibytes} MiB; gửi nhiều hơn bằng application/x-ndjson,"
        " tối đa 2 GiB.",
        f"The body is larger than {mebibytes} MiB; more goes as application/x-ndjson,"
        " 2 GiB at most.",
    )


def _line_too_long(index: int) -> TooLarge:
    said = Text(
        f"Dòng có chỉ số {index} dài hơn 64 KiB; không có gì được lưu.",
        f"The line with index {index} is longer than 64 KiB; nothing was stored.",
    )
    fault = Fault(f"/cases/{index}", "line_too_long", said)
    return TooLarge("line_too_long", said, [fault])

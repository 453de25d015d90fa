"""What a sent file is, by its bytes and not by its name."""

from __future__ import annotations

from libs.common.problems import Unacceptable, UnsupportedMedia
from services.ingest.domain.grid import Sheet
from services.ingest.sheets import delimited, workbook
from services.ingest.sheets.packages import ENCRYPTED, instead, placed
from services.ingest.sheets.workbook import Needed

_OLD_OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_OTHERS = {b"%PDF": ".pdf", b"{\\rtf": ".rtf", b"\x1f\x8b": ".gz", b"Rar!": ".rar"}


def sheets_in(content: bytes, name: str, needed: Needed = workbook.ALL) -> list[Sheet]:
    """The sheets of an .xlsx or a .csv; those not `needed` stay empty, and unread.

    Raises UnsupportedMedia for anything else, and Unacceptable with the place, which
    is `/file` where it is no sheet's.
    """
    try:
        return _sheets_in(content, name, needed)
    except Unacceptable as problem:
        if problem.errors:
            raise
        raise placed(problem, "/file") from None


def _sheets_in(content: bytes, name: str, needed: Needed) -> list[Sheet]:
    if content.startswith(b"PK"):
        return workbook.sheets_in(content, needed)
    if content.startswith(_OLD_OFFICE):
        if "EncryptedPackage".encode("utf-16-le") in content:
            raise UnsupportedMedia("encrypted_file", ENCRYPTED)
        raise UnsupportedMedia("not_a_spreadsheet", instead(".xls"))
    for start, kind in _OTHERS.items():
        if content.startswith(start):
            raise UnsupportedMedia("not_a_spreadsheet", instead(kind))
    if content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        raise UnsupportedMedia("not_a_spreadsheet", instead("HTML/XML"))
    return [delimited.sheet_in(content, name)]

"""An .xlsx as a package: what it may hold, and how much, before anything is read."""

from __future__ import annotations

import io
import posixpath
import zipfile
import zlib
from collections.abc import Callable, Mapping
from xml.parsers import expat

from libs.common.problems import Fault, Text, Unacceptable, UnsupportedMedia

MOST_ENTRIES = 2_000
MOST_BYTES = 128 * 1024 * 1024
"""Unpacked; the largest honest workbook of our rows has a fifth of it."""
MOST_ELEMENTS = 4_000_000
MOST_OF_ONE_TOKEN = 1024 * 1024
"""Bytes of one tag or comment: expat reads an unfinished one again with every chunk."""
_CHUNK = 64 * 1024
_DEEPEST = 64
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

Start = Callable[[str, Mapping[str, str]], None]
End = Callable[[str], None]


def unreadable(why: Text) -> Unacceptable:
    """422: an .xlsx in name that cannot be read as one."""
    return Unacceptable("unreadable_file", why)


def placed(problem: Unacceptable, pointer: str) -> Unacceptable:
    """The same problem, saying where in the file it is."""
    fault = Fault(pointer, problem.code, problem.detail)
    return Unacceptable(problem.code, problem.detail, [fault])


class Package:
    """The parts of an .xlsx, each read as a stream and never beyond its bounds."""

    def __init__(self, content: bytes) -> None:
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(content))
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
            raise unreadable(_BROKEN) from None
        self._elements = 0
        self.names = {entry.filename for entry in self._zip.infolist()}
        self._refuse_bombs()
        self._refuse_others()

    def _refuse_bombs(self) -> None:
        entries = self._zip.infolist()
        if (
            len(entries) > MOST_ENTRIES
            or len(self.names) != len(entries)
            or sum(entry.file_size for entry in entries) > MOST_BYTES
        ):
            raise Unacceptable("too_large_inside", _TOO_LARGE)
        if any(entry.compress_type not in _PACKED for entry in entries):
            raise unreadable(_BROKEN)
        if any(entry.flag_bits & 1 for entry in entries):
            raise UnsupportedMedia("encrypted_file", ENCRYPTED)

    def _refuse_others(self) -> None:
        if "mimetype" in self.names:
            raise UnsupportedMedia("not_a_spreadsheet", instead(".ods"))
        if any(name.lower().endswith("vbaproject.bin") for name in self.names):
            raise UnsupportedMedia("macros", _MACROS)
        if "xl/workbook.bin" in self.names:
            raise UnsupportedMedia("not_a_spreadsheet", instead(".xlsb"))
        if "xl/workbook.xml" not in self.names:
            raise UnsupportedMedia("not_a_spreadsheet", instead("zip"))

    def walk(self, name: str, start: Start, end: End, text: End) -> None:
        """Call back for every element of a part, by its local name."""
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        depth = 0

        def opened(tag: str, attributes: dict[str, str]) -> None:
            nonlocal depth
            depth += 1
            self._elements += 1
            if depth > _DEEPEST:
                raise unreadable(_BROKEN)
            if self._elements > MOST_ELEMENTS:
                raise Unacceptable("too_large_inside", _TOO_LARGE)
            start(tag.rpartition(" ")[2], attributes)

        def closed(tag: str) -> None:
            nonlocal depth
            depth -= 1
            end(tag.rpartition(" ")[2])

        def refused(*_: object) -> None:
            # Entities are how a small file becomes a large one, or reads others.
            raise unreadable(_DOCTYPE)

        parser.StartElementHandler = opened
        parser.EndElementHandler = closed
        parser.CharacterDataHandler = text
        parser.StartDoctypeDeclHandler = refused
        self._feed(name, parser)

    def _feed(self, name: str, parser: expat.XMLParserType) -> None:
        try:
            with self._zip.open(name) as part:
                fed = 0
                while chunk := part.read(_CHUNK):
                    parser.Parse(chunk, False)
                    fed += len(chunk)
                    if fed - parser.CurrentByteIndex > MOST_OF_ONE_TOKEN:
                        raise unreadable(_BROKEN)
            parser.Parse(b"", True)
        except (
            expat.ExpatError,
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            LookupError,
            NotImplementedError,
            OSError,
            ValueError,
        ):
            raise unreadable(_BROKEN) from None

    def targets(self, part: str) -> dict[str, tuple[str, str]]:
        """What a part refers to: id → (last word of its type, path in the package)."""
        folder, _, name = part.rpartition("/")
        found: dict[str, tuple[str, str]] = {}

        def start(tag: str, given: Mapping[str, str]) -> None:
            if tag == "Relationship" and given.get("TargetMode") != "External":
                path = posixpath.normpath(posixpath.join("/", folder, given["Target"]))
                kind = given["Type"].rpartition("/")[2]
                found[given["Id"]] = (kind, path.lstrip("/"))

        relations = f"{folder}/_rels/{name}.rels"
        if relations in self.names:
            self.walk(relations, start, nothing, nothing)
        return found


def nothing(_: str) -> None:
    """What is done where nothing is to be done."""


def instead(kind: str) -> Text:
    """What to send instead of another kind of file."""
    return Text(
        f"Đây là tệp {kind}, không phải bảng tính .xlsx; hãy mở rồi lưu thành .xlsx"
        " (Excel Workbook) hoặc .csv (CSV UTF-8).",
        f"This is a {kind} file, no .xlsx; open it and save it as .xlsx (Excel"
        " Workbook) or .csv (CSV UTF-8).",
    )


ENCRYPTED = Text(
    "Tệp có mật khẩu; hãy bỏ mật khẩu rồi gửi lại.",
    "The file has a password; remove it and send it again.",
)
_MACROS = Text(
    "Tệp có macro (.xlsm); hãy lưu thành .xlsx không macro.",
    "The file holds macros (.xlsm); save it as .xlsx without them.",
)
_BROKEN = Text(
    "Tệp .xlsx bị hỏng; hãy mở bằng Excel rồi lưu lại.",
    "The .xlsx is broken; open it in Excel and save it again.",
)
_DOCTYPE = Text(
    "Tệp .xlsx có khai báo XML không được phép (DOCTYPE).",
    "The .xlsx holds an XML declaration that is not taken (DOCTYPE).",
)
_TOO_LARGE = Text(
    "Tệp bung ra quá lớn; hãy chỉ giữ trang tính cần nộp.",
    "The file unpacks to too much; keep only the sheet that is to be sent.",
)

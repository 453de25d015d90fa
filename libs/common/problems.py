"""Errors that answer: RFC 9457 documents with a stable code, in Vietnamese and English.

Problem
├── Unreadable 400         ├── Conflict 409
├── Unauthorized 401       ├── TooLarge 413
├── Forbidden 403          ├── UnsupportedMedia 415
├── NotFound 404           ├── Unacceptable 422
└── MethodNotAllowed 405   ├── TooManyRequests 429
                           └── Unavailable 503
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import ClassVar

MOST_ERRORS = 1000
"""How many faults one answer lists; the rest wait until these are mended."""


@dataclass(frozen=True, slots=True)
class Text:
    """One sentence in both languages; Vietnamese is read first."""

    vi: str
    en: str

    def both(self) -> dict[str, str]:
        """As the API prints it: {"vi", "en"}."""
        return {"vi": self.vi, "en": self.en}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with what was sent, at one JSON pointer; `more` may say where in
    a text that is (line, column) and what to write instead (hint)."""

    pointer: str
    code: str
    message: Text
    # Faults are told apart by the rest; a mapping could not be hashed.
    more: Mapping[str, object] = field(default_factory=dict, hash=False)

    def shown(self) -> dict[str, object]:
        """As the API prints it: {"pointer", "code", "message": {"vi", "en"}}."""
        return {
            "pointer": self.pointer,
            "code": self.code,
            "message": self.message.both(),
            **self.more,
        }


@dataclass(eq=False)
class Problem(Exception):
    """An error that a client can read and act on; `code` never changes."""

    code: str
    detail: Text
    errors: Sequence[Fault] = ()
    more: Mapping[str, object] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    status: ClassVar[int] = 500
    title: ClassVar[Text] = Text("Lỗi", "Error")

    def __str__(self) -> str:
        return f"{self.code}: {self.detail.en}"

    def document(self, language: str) -> dict[str, object]:
        """The problem document; `language` is "vi" or "en"."""
        texts = {
            name: {
                "title": getattr(self.title, name),
                "detail": getattr(self.detail, name),
            }
            for name in ("vi", "en")
        }
        shown: dict[str, object] = {
            "type": "about:blank",
            "status": self.status,
            "code": self.code,
            **texts[language],
            "texts": texts,
            **self.more,
        }
        if self.errors:
            shown["errors"] = [e.shown() for e in self.errors[:MOST_ERRORS]]
        return shown


class Unreadable(Problem):
    status = 400
    title = Text("Không đọc được yêu cầu", "The request cannot be read")


class Unauthorized(Problem):
    status = 401
    title = Text("Chưa xác thực", "Not authenticated")


class Forbidden(Problem):
    status = 403
    title = Text("Không có quyền", "Not permitted")


class NotFound(Problem):
    status = 404
    title = Text("Không tìm thấy", "Not found")


class MethodNotAllowed(Problem):
    status = 405
    title = Text("Phương thức không được phép", "Method not allowed")


class Conflict(Problem):
    status = 409
    title = Text("Không thể chuyển trạng thái", "Impossible in the present state")


class TooLarge(Problem):
    status = 413
    title = Text("Dữ liệu quá lớn", "The body is too large")


class UnsupportedMedia(Problem):
    status = 415
    title = Text("Kiểu dữ liệu không được hỗ trợ", "Unsupported media type")


class Unacceptable(Problem):
    status = 422
    title = Text("Dữ liệu không hợp lệ", "The content is not acceptable")


class TooManyRequests(Problem):
    status = 429
    title = Text("Quá nhiều yêu cầu", "Too many requests")


class Unavailable(Problem):
    status = 503
    title = Text("Tạm thời chưa phục vụ được", "Temporarily unavailable")


def invalid(errors: Sequence[Fault]) -> Unacceptable:
    """422 that lists every fault by pointer."""
    count = len(errors)
    return Unacceptable(
        "invalid",
        Text(
            f"Có {count} lỗi trong dữ liệu gửi lên; không có gì được lưu.",
            f"{count} fault(s) in what was sent; nothing was stored.",
        ),
        errors,
    )


def forbidden(role: str, *, at_root: bool = False) -> Forbidden:
    """403: right unit, wrong role."""
    where_vi, where_en = (" ở cấp toàn quốc", " at the root") if at_root else ("", "")
    return Forbidden(
        "forbidden",
        Text(
            f"Khóa không có vai trò «{role}»{where_vi}.",
            f"The key lacks the role {role!r}{where_en}.",
        ),
    )


def unknown_unit_in_path(code: str) -> NotFound:
    """404 in a path or query: outside the key's subtree or nowhere, the same."""
    return NotFound(
        "unknown_unit",
        Text(f"Không có đơn vị «{code}».", f"There is no unit {code!r}."),
    )


def unknown_unit_in_body(pointer: str, code: str, like: Sequence[str] = ()) -> Fault:
    """The same inside a body, a fault; `like` are the nearest that the key knows."""
    shown, near = code[:80], ", ".join(like)
    return Fault(
        pointer,
        "unknown_unit",
        Text(
            f"Không có đơn vị «{shown}».{f' Gần giống: {near}.' if near else ''}",
            f"There is no unit {shown!r}.{f' Nearest: {near}.' if near else ''}",
        ),
    )


def unreadable_json(why: str) -> Unreadable:
    """400: the body is not JSON; `why` never echoes what was sent back raw."""
    return Unreadable(
        "malformed_json",
        Text(f"JSON không đọc được: {why}.", f"The JSON cannot be read: {why}."),
    )


def escaped(step: str) -> str:
    """One step of a JSON pointer, by RFC 6901."""
    return step.replace("~", "~0").replace("/", "~1")


def language_of(accepted: str | None) -> str:
    """The better of our two languages for an Accept-Language header; default vi."""
    best, weight = "vi", Decimal(0)
    for part in (accepted or "").split(","):
        name, _, parameters = part.strip().partition(";")
        name = name.strip().lower().partition("-")[0]
        if name not in ("vi", "en"):
            continue
        try:
            quality = Decimal(parameters.replace("q=", "").strip() or 1)
        except InvalidOperation:
            continue
        if quality.is_finite() and quality > weight:
            best, weight = name, quality
    return best

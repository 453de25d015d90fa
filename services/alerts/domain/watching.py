"""What rules watch, and the words that each watch has.

Every word is (name, kind, Vietnamese, English); those of scorecards are `vocabulary`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from services.alerts.domain.vocabulary import VOCABULARY, Bilingual, Kind, Name, Names


class Watch(StrEnum):
    """What a rule judges one by one: rows of scorecards, cases, or reports owed."""

    SCORECARD = "scorecard"
    CASE = "case"
    MISSING_REPORT = "missing_report"


_SHARED: Final = ("unit.code", "unit.kind", "at")

_CASE: Final = (
    (
        "case.status",
        Kind.TEXT,
        "Phân loại: enforceable, not_enforceable, postponed, suspended, completed,"
        " terminated, ledger (sổ theo dõi riêng)",
        "enforceable, not_enforceable, postponed, suspended, completed, terminated or"
        " ledger (the separate ledger)",
    ),
    ("case.status_since", Kind.DATE, "Ngày phân loại", "Day of the status"),
    (
        "case.previous_status",
        Kind.TEXT,
        "Phân loại ngay trước đó, nếu đã từng gửi",
        "The status before it, where one was ever sent",
    ),
    (
        "case.not_enforceable_since",
        Kind.DATE,
        "Ngày được phân loại chưa có điều kiện, trước khi chuyển sổ theo dõi riêng",
        "Day on which it became not enforceable, before it went to the ledger",
    ),
    (
        "case.decided_on",
        Kind.DATE,
        "Ngày ra quyết định thi hành án",
        "Day of the enforcement decision",
    ),
    (
        "case.claims",
        Kind.LIST,
        "Loại nghĩa vụ: credit, corruption, state_budget, own_initiative, …",
        "Kinds of claims: credit, corruption, state_budget, own_initiative, …",
    ),
    (
        "case.key_case",
        Kind.FLAG,
        "Việc trọng điểm (Quyết định 907/QĐ-TCTHADS)",
        "A key case (Decision 907/QĐ-TCTHADS)",
    ),
    ("case.due_vnd", Kind.VND, "Số tiền phải thi hành", "Money to be enforced"),
    ("case.collected_vnd", Kind.VND, "Số tiền đã thu", "Money collected"),
    (
        "case.held_vnd",
        Kind.VND,
        "Số tiền đã thu nhưng chưa chi trả",
        "Money collected and not paid out",
    ),
    (
        "case.held_since",
        Kind.DATE,
        "Ngày bản ghi đầu tiên mà từ đó luôn còn tiền chưa chi trả",
        "Day of the first record since which money was always held",
    ),
    ("case.verified_on", Kind.DATE, "Lần xác minh gần nhất", "The latest verification"),
    (
        "case.verifications",
        Kind.NUMBER,
        "Số lần xác minh",
        "How many verifications there were",
    ),
    (
        "case.published_on",
        Kind.DATE,
        "Ngày đăng công khai người chưa có điều kiện thi hành",
        "Day on which the debtor was published as not able to pay",
    ),
    ("case.auctioned_on", Kind.DATE, "Ngày bán đấu giá thành", "Day of the auction"),
    ("case.handed_over_on", Kind.DATE, "Ngày giao tài sản", "Day of the handing over"),
    ("case.reason_code", Kind.TEXT, "Mã lý do", "Code of the reason given"),
)

_REPORT: Final = (
    ("period.months", Kind.NUMBER, "Số tháng của kỳ", "Months in the period"),
    ("period.end", Kind.DATE, "Ngày cuối kỳ", "Last day of the period"),
    (
        "reported",
        Kind.FLAG,
        "Báo cáo phải gửi đã đủ",
        "All of the report that is owed has come",
    ),
    (
        "obligation.name",
        Kind.TEXT,
        "Tên của nghĩa vụ báo cáo",
        "Name of the obligation to report",
    ),
    ("obligation.due", Kind.DATE, "Ngày cuối cùng còn đúng hạn", "Last day in time"),
    (
        "obligation.wdays_late",
        Kind.WDAYS,
        "Số ngày làm việc đã quá hạn; đúng hạn thì bằng 0",
        "Working days past the last day in time; 0 in time",
    ),
)


def _names(*words: tuple[str, Kind, str, str]) -> Names:
    shared = {name: VOCABULARY[name] for name in _SHARED}
    return shared | {n: Name(n, kind, Bilingual(vi, en)) for n, kind, vi, en in words}


WORDS: Final[Mapping[Watch, Names]] = {
    Watch.SCORECARD: VOCABULARY,
    Watch.CASE: _names(*_CASE),
    Watch.MISSING_REPORT: _names(*_REPORT),
}
"""The vocabulary of each watch."""

EVERY_WORD: Final[Names] = {
    name: word for names in WORDS.values() for name, word in names.items()
}
"""All of them; where two watches share a name, it means the same."""

_STATUSES: Final = (
    "enforceable",
    "not_enforceable",
    "postponed",
    "suspended",
    "completed",
    "terminated",
    "ledger",
)

CLOSED: Final[Mapping[str, tuple[str, ...]]] = {
    "unit.kind": ("national", "province", "office", "officer", "other"),
    "measure": (
        "cases",
        "money",
        "complaints",
        "administrative",
        "decisions",
        "guidance",
    ),
    "target.operator": ("at_least", "more_than"),
    "case.status": _STATUSES,
    "case.previous_status": _STATUSES,
}
"""Names of texts, and all that each can be. Not so categories, claims and codes of
reasons: agencies declare their own."""

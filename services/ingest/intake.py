"""A body of reports, read fast when it is right and report by report when it is not."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from json import JSONDecodeError
from typing import Any

import msgspec
from msgspec.structs import astuple

from libs.common import strict_json
from libs.common.periods import InvalidPeriod, Period
from libs.common.problems import Fault, Text, escaped, unreadable_json
from services.ingest.decoding import UNKNOWN_FIELD, type_fault
from services.ingest.domain.columnwise import all_hold
from services.ingest.domain.forms import findings
from services.ingest.domain.reports import (
    COLUMNS,
    Intake,
    Report,
    Row,
    Source,
    Tell,
    fault,
    faults_of_row,
    in_dong,
    rate_of,
    too_large,
)
from services.ingest.schemas import FigureIn, ReportIn, ReportsIn, UnreadReports

_WHOLE = msgspec.json.Decoder(ReportsIn)
_UNREAD = msgspec.json.Decoder(UnreadReports)
_REPORT = msgspec.json.Decoder(ReportIn)
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ufeff]")
_MEMBERS = frozenset(FigureIn.__struct_fields__)


@dataclass(frozen=True, slots=True)
class Sent:
    """A body as it was decoded: its reports with their places, and faults of others."""

    reports: Sequence[tuple[int, ReportIn]]
    money_in: str | None
    faults: Sequence[Fault] = ()

    def named(self) -> dict[str, list[str]]:
        """The units of each period, as far as they could be those of a report."""
        codes = {
            period: _code(period) for period in {r.period for _, r in self.reports}
        }
        found: dict[str, list[str]] = defaultdict(list)
        for _, report in self.reports:
            code = codes[report.period]
            if code is not None:
                found[code].append(report.unit)
        return found

    def checked(self) -> Intake:
        """The acceptable reports, the faults of the others and what is only odd."""
        return _checked(self.reports, self.money_in, list(self.faults))


def _code(period: str) -> str | None:
    try:
        return Period.parse(period).code
    except InvalidPeriod:
        return None


def decoded(body: bytes) -> Sent:
    """What a body holds, not looked at any further.

    Raises Unreadable when it is not JSON.
    """
    if body.count(b'"money_in"') > 1:
        # Said twice, it could mean a factor of 1000 either way.
        try:
            strict_json.loads(body)
        except JSONDecodeError as error:
            raise unreadable_json(error.msg) from None
    try:
        whole = _WHOLE.decode(body)
    except (msgspec.ValidationError, UnicodeDecodeError, RecursionError):
        return _read_each(body)
    except msgspec.DecodeError as error:
        raise unreadable_json(str(error)) from None
    return Sent(list(enumerate(whole.reports)), whole.money_in)


def _read_each(body: bytes) -> Sent:
    """Every report by itself, so that one bad row does not hide another."""
    good: list[tuple[int, ReportIn]] = []
    faults: list[Fault] = []
    try:
        unread = _UNREAD.decode(body)
        for index, raw in enumerate(unread.reports):
            try:
                good.append((index, _REPORT.decode(raw)))
            except msgspec.ValidationError as error:
                faults += _faults_inside(index, raw, str(error))
    except UnicodeDecodeError:
        raise unreadable_json("not UTF-8") from None
    except RecursionError:
        raise unreadable_json("nested too deeply") from None
    except msgspec.ValidationError as error:
        return Sent((), None, [type_fault("", str(error))])
    except msgspec.DecodeError as error:
        raise unreadable_json(str(error)) from None
    return Sent(good, unread.money_in, faults)


def _faults_inside(index: int, raw: msgspec.Raw, first: str) -> list[Fault]:
    """Every bad member of one report; `first` is what the decoder stumbled on."""
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.ValidationError, RecursionError):  # a number out of range
        return [type_fault(f"/reports/{index}", first)]
    if not isinstance(value, dict):
        return [type_fault(f"/reports/{index}", first)]
    figures = value.get("figures")
    if not isinstance(figures, list) or not figures:
        return [type_fault(f"/reports/{index}", first)]
    place = f"/reports/{index}"
    found: list[Fault] = []
    for number, row in enumerate(figures):
        found += _faults_of_figure(f"{place}/figures/{number}", row)
    rest = {**value, "figures": [{"measure": "cases"}]}
    try:
        msgspec.convert(rest, ReportIn, strict=True, dec_hook=None)
    except msgspec.ValidationError as error:
        found.append(type_fault(place, str(error)))
    return found or [type_fault(place, first)]


def _faults_of_figure(place: str, row: object) -> Iterator[Fault]:
    if not isinstance(row, dict):
        yield type_fault(place, "Expected `object`")
        return
    if "measure" not in row:
        yield type_fault(place, "Object missing required field `measure`")
    for member, value in row.items():
        if member not in _MEMBERS:
            yield Fault(f"{place}/{escaped(member)}", "unknown_field", UNKNOWN_FIELD)
            continue
        pair = {"measure": "cases", member: value}
        try:
            msgspec.convert(pair, FigureIn, strict=True)
        except msgspec.ValidationError as error:
            yield type_fault(place, str(error))


def _checked(
    read: Sequence[tuple[int, ReportIn]], money_in: str | None, faults: list[Fault]
) -> Intake:
    found = Intake(faults=faults)
    cells: dict[tuple[str, str], int] = {}
    for index, sent in read:
        wrong: list[Fault] = []
        noted: list[Tell] = []
        report = _report(index, sent, money_in, wrong, noted)
        if report is not None:
            earlier = cells.setdefault((report.unit, report.period), index)
            if earlier != index:
                wrong.append(fault(index, "", "duplicate_report", _twice(earlier)))
        found.faults += wrong
        if report is not None and not wrong:
            found.reports.append(report)
            found.odd.note_all(noted)
    found.faults = list(dict.fromkeys(found.faults))
    return found


def _report(
    index: int,
    sent: ReportIn,
    money_in: str | None,
    wrong: list[Fault],
    noted: list[Tell],
) -> Report | None:
    period = None
    try:
        period = Period.parse(sent.period)
    except InvalidPeriod:
        wrong.append(fault(index, "/period", "unknown_period", _PERIOD))
    source = sent.source
    document = source.document if source else None
    texts = (
        ("reason", sent.reason),
        ("source/document", document),
    )
    for member, text in texts:
        if text is not None and _CONTROL.search(text):
            wrong.append(fault(index, f"/{member}", "control_character", _CONTROLS))
    read = tuple(map(_row, sent.figures))
    if period is not None and not wrong and _is_plain(sent, read, period, money_in):
        return _whole(index, sent, period, read)
    rows: list[Row] = []
    seen: dict[tuple[str, str], int] = {}
    for number, (figure, row) in enumerate(zip(sent.figures, read, strict=True)):
        if seen.setdefault((row.measure, row.category), number) != number:
            same = _same_row(seen[row.cell])
            place = f"/figures/{number}"
            wrong.append(fault(index, place, "duplicate_row", same))
        if figure.published_rate is not None and row.published_rate is None:
            place = f"/figures/{number}/published_rate"
            wrong.append(fault(index, place, "rate_form", _RATE))
            rows.append(row)
            continue
        if row.measure == "money" and money_in != "vnd":
            row = _in_dong(index, f"/figures/{number}", row, money_in, wrong)
        for member, code, message in faults_of_row(row):
            place = f"/figures/{number}/{member}" if member else f"/figures/{number}"
            wrong.append(fault(index, place, code, message))
        rows.append(row)
    if period is None:
        return None
    report = _whole(index, sent, period, tuple(rows))
    for severity, tell in findings(report):
        if severity == "error":
            wrong.append(tell())
        else:
            noted.append(tell)
    return report


def _is_plain(
    sent: ReportIn, rows: tuple[Row, ...], period: Period, money_in: str | None
) -> bool:
    """Whether nothing can be wrong with it or odd, as with nearly every report."""
    return (
        sent.form is None
        and (money_in == "vnd" or all(row.measure != "money" for row in rows))
        and all(figure.published_rate is None for figure in sent.figures)
        and len({(row.measure, row.category) for row in rows}) == len(rows)
        and all_hold(rows, period.end)
    )


def _whole(index: int, sent: ReportIn, period: Period, rows: tuple[Row, ...]) -> Report:
    source = sent.source
    return Report(
        index,
        sent.unit,
        period.code,
        rows,
        Source(source.document, source.date, source.illustrative)
        if source
        else Source(),
        sent.form,
        sent.reason,
    )


_COUNTS = FigureIn.__struct_fields__.index(COLUMNS[0])
_WITHDRAWN = COLUMNS.index("withdrawn")


def _row(figure: Any) -> Row:
    counts: tuple[int | None, ...] = astuple(figure)[_COUNTS:]
    removed = False
    if isinstance(figure.withdrawn, bool):
        counts = (*counts[:_WITHDRAWN], None, *counts[_WITHDRAWN + 1 :])
        removed = figure.withdrawn
    rate = figure.published_rate
    return Row(
        figure.measure,
        figure.category,
        counts,
        None if rate is None else rate_of(rate),
        removed,
    )


def _in_dong(
    index: int, place: str, row: Row, money_in: str | None, wrong: list[Fault]
) -> Row:
    if all(count is None for count in row.counts):
        return row
    if money_in is None:
        wrong.append(Fault("/money_in", "missing", _MONEY_IN))
        return row
    converted = in_dong(row)
    for name in too_large(converted):
        wrong.append(fault(index, f"{place}/{name}", "out_of_range", _TOO_LARGE))
    return converted


_PERIOD = Text(
    "Không có kỳ này; ví dụ đúng: 2022M05 hoặc 2025-09-12.",
    "No such period; write 2022M05 or a cut-off day 2025-09-12.",
)
_RATE = Text(
    'Tỷ lệ từ 0 đến 100, tối đa 2 số lẻ, viết dạng chuỗi: "73.45".',
    'A rate is 0 to 100 with at most 2 decimals, as a string: "73.45".',
)
_CONTROLS = Text("Có ký tự điều khiển.", "It holds a control character.")
_MONEY_IN = Text(
    'Có số tiền thì phải nêu đơn vị: money_in là "vnd" hoặc "thousand_vnd".',
    'A money count stands here: say money_in, "vnd" or "thousand_vnd".',
)
_TOO_LARGE = Text("Lớn hơn 2^53 − 1 đồng.", "More than 2^53 − 1 đồng.")


def _twice(earlier: int) -> Text:
    return Text(
        f"Báo cáo của đơn vị và kỳ này đã có ở /reports/{earlier}; hãy gộp lại.",
        f"This unit and period stand at /reports/{earlier} already; merge them.",
    )


def _same_row(earlier: int) -> Text:
    return Text(
        f"Dòng này đã có ở figures/{earlier} của cùng báo cáo.",
        f"The same row stands at figures/{earlier} of this report.",
    )

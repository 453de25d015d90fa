"""Lines of case records, read fast when they are right and member by member if not.

Good lines become lines of PostgreSQL's COPY; what comes again and again (days,
claims, units) is read once and looked up from then on.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from json import JSONDecodeError
from typing import TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from libs.common import strict_json
from libs.common.clock import VIETNAM, day_of
from libs.common.problems import MOST_ERRORS, Fault, Text, escaped
from services.ingest.cases.schemas import CaseIn
from services.ingest.decoding import MISSING, UNKNOWN_FIELD, type_fault
from services.ingest.domain.cases import Register, faults_of_days

LINE = tuple[int, bytes | msgspec.Raw]
Key = TypeVar("Key")

_CASE = msgspec.json.Decoder(CaseIn)
_FIELDS = {field.name: field for field in msgspec.structs.fields(CaseIn)}
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CODE = re.compile(r"[a-z][a-z0-9_]{0,39}")
_MOST_KNOWN = 50_000
_NULL = r"\N"


class Wrong(ValueError):
    """One member cannot be taken; a code and a sentence say why."""

    def __init__(self, code: str, message: Text) -> None:
        super().__init__(code)
        self.code, self.message = code, message


class Known(dict[Key, str]):
    """What was read already, as COPY writes it; bounded, whatever is sent."""

    def __init__(self, read: Callable[[Key], str], empty: str = _NULL) -> None:
        super().__init__()
        self._read, self._empty = read, empty

    def __missing__(self, key: Key) -> str:
        nothing = key is None or key is UNSET
        text = self._empty if nothing else self._read(key)
        if len(self) < _MOST_KNOWN:
            self[key] = text
        return text


Optional = str | None | UnsetType
Several = tuple[str, ...] | UnsetType


class Reader:
    """Reads one request's records; keeps what is wrong and what is odd, by line."""

    def __init__(self, register: Register, now: datetime) -> None:
        self.good = 0
        self.refused = self.told = 0
        self.odd = 0
        self.units: set[str] = set()
        self.ended: set[str] = set()
        self.faults: list[Fault] = []
        self.warnings: list[Fault] = []
        self._register, self._now = register, now
        self._today = register.today.isoformat()
        self._standing = register.standing()
        self._days: Known[Optional] = Known(_day)
        self._moments: dict[str, tuple[str, str]] = {}
        self._claims: Known[Several] = Known(_claims, "{}")
        self._several: Known[Several] = Known(_days, "{}")
        self._codes: Known[Optional] = Known(_code)
        self._officers: dict[tuple[str, str], bool] = {}

    def rows(self, lines: Iterable[LINE]) -> bytes:
        """The good lines for COPY; the others' faults are kept."""
        rows = []
        for index, line in lines:
            try:
                rows.append(self._row(index, line))
            except (ValueError, RecursionError, msgspec.MsgspecError) as error:
                self._refuse(index, line, error)
        self.good += len(rows)
        return "".join(rows).encode()

    def _row(self, index: int, line: bytes | msgspec.Raw) -> str:
        case = _CASE.decode(line)
        if _doubtful(case, line):
            strict_json.loads(bytes(line))
        as_of, day = self._moment(case.as_of)
        days, unit = self._days, case.unit
        decided, since = days[case.decided_on], days[case.status_since]
        if not decided <= since <= day:
            raise Wrong("disorder", _DISORDER)
        if unit not in self.units:
            self._place(unit, decided)
        officer = case.officer or UNSET
        if officer is not UNSET:
            self._serve(officer, unit)
        held = case.held_vnd
        if case.collected_vnd > case.due_vnd:
            self._warn(index)
        return (
            f"{index}\t{as_of}\t{unit}\t{_number(case.case_no)}\t{decided[:4]}\t"
            f"{_NULL if officer is UNSET else officer}\t{decided}\t"
            f"{case.status}\t{since}\t{self._claims[case.claims]}\t"
            f"{'t' if case.key_case is True else 'f'}\t"
            f"{case.due_vnd}\t{case.collected_vnd}\t"
            f"{_NULL if held is None or held is UNSET else held}\t"
            f"{self._several[case.verified_on]}\t{days[case.published_on]}\t"
            f"{days[case.auctioned_on]}\t{days[case.handed_over_on]}\t"
            f"{self._codes[case.reason_code]}\n"
        )

    def _moment(self, text: str) -> tuple[str, str]:
        """When a record speaks of: for COPY, and its day. A day means its end."""
        found = self._moments.get(text)
        if found is None:
            found = self._read_moment(text)
            if len(self._moments) < _MOST_KNOWN:
                self._moments[text] = found
        return found

    def _read_moment(self, text: str) -> tuple[str, str]:
        if len(text) == 10:
            day = _day(text)
            if day > self._today:
                raise Wrong("future_as_of", _FUTURE)
            end = date.fromisoformat(day) + timedelta(days=1)
            return datetime.combine(end, time(), VIETNAM).isoformat(), day
        moment = _moment(text)
        if moment > self._now:
            raise Wrong("future_as_of", _FUTURE)
        return moment.isoformat(), day_of(moment).isoformat()

    def _place(self, unit: str, decided_on: str) -> None:
        if unit in self._standing:
            self.units.add(unit)
            return
        if unit not in self._register.rows:
            raise Wrong("unknown_unit", _unknown(unit))
        if not self._register.holds(unit, date.fromisoformat(decided_on)):
            raise Wrong("unit_not_in_force", _NOT_IN_FORCE)
        self.ended.add(unit)

    def _serve(self, officer: str, unit: str) -> None:
        pair = (officer, unit)
        serves = self._officers.get(pair)
        if serves is None:
            serves = self._register.serves(officer, unit)
            if len(self._officers) < _MOST_KNOWN:
                self._officers[pair] = serves
        if not serves:
            raise Wrong("unknown_officer", _no_officer(officer, unit))

    def _warn(self, index: int) -> None:
        self.odd += 1
        if len(self.warnings) < MOST_ERRORS:
            place = f"/cases/{index}/collected_vnd"
            self.warnings.append(Fault(place, "collected_exceeds_due", _EXCEEDS))

    def _refuse(self, index: int, line: bytes | msgspec.Raw, first: Exception) -> None:
        self.refused += 1
        if len(self.faults) < MOST_ERRORS:
            self.told += 1
            place = f"/cases/{index}"
            found = list(dict.fromkeys(self._faults(place, bytes(line))))
            self.faults += found or [type_fault(place, str(first))]

    def _faults(self, place: str, line: bytes) -> Iterator[Fault]:
        """Every bad member of one record."""
        try:
            value = strict_json.loads(line)
        except JSONDecodeError as error:
            yield Fault(place, "malformed_json", _malformed(error.msg))
            return
        if not isinstance(value, dict):
            yield type_fault(place, "Expected `object`")
            return
        for name in value.keys() - _FIELDS.keys():
            yield Fault(f"{place}/{escaped(name)}", "unknown_field", UNKNOWN_FIELD)
        good: dict[str, object] = {}
        for name, field in _FIELDS.items():
            if name in value:
                try:
                    good[name] = msgspec.convert(value[name], field.type)
                except msgspec.ValidationError as error:
                    yield type_fault(f"{place}/{name}", str(error))
            elif field.required:
                yield Fault(f"{place}/{name}", "missing", MISSING)
        yield from self._meanings(place, good)

    def _meanings(self, place: str, good: dict[str, object]) -> Iterator[Fault]:
        """What is of the right type and still cannot be."""
        read: dict[str, str] = {}
        for name, reading in self._readings().items():
            if name in good:
                try:
                    read[name] = reading(good[name])
                except Wrong as wrong:
                    yield Fault(f"{place}/{name}", wrong.code, wrong.message)
        days = [read.get(name) for name in ("decided_on", "status_since", "as_of")]
        if all(days):
            for member, code, text in faults_of_days(*(str(day) for day in days)):
                yield Fault(f"{place}{member}", code, text)
        yield from self._misplaced(place, good, read.get("decided_on"))

    def _misplaced(
        self, place: str, good: dict[str, object], decided_on: str | None
    ) -> Iterator[Fault]:
        unit, officer = str(good.get("unit", "")), good.get("officer")
        try:
            if unit:
                self._place(unit, decided_on or self._today)
        except Wrong as wrong:
            yield Fault(f"{place}/unit", wrong.code, wrong.message)
            return
        try:
            if unit and officer:
                self._serve(str(officer), unit)
        except Wrong as wrong:
            yield Fault(f"{place}/officer", wrong.code, wrong.message)

    def _readings(self) -> dict[str, Callable[..., str]]:
        days = ("decided_on", "status_since")
        later = ("published_on", "auctioned_on", "handed_over_on")
        return {
            "case_no": _number,
            "as_of": lambda text: self._read_moment(text)[1],
            **dict.fromkeys((*days, *later), self._days.__getitem__),
            "claims": _claims,
            "verified_on": _days,
            "reason_code": self._codes.__getitem__,
        }


_OPTIONAL = [name for name, field in _FIELDS.items() if not field.required]
_REQUIRED = len(_FIELDS) - len(_OPTIONAL)


def _doubtful(case: CaseIn, line: bytes | msgspec.Raw) -> bool:
    """Whether a member may stand there twice: each brings one colon of its own."""
    raw = bytes(line)
    if b"\\u003" in raw:  # a colon in disguise
        return True
    members = (
        _REQUIRED
        + (case.officer is not UNSET)
        + (case.claims is not UNSET)
        + (case.key_case is not UNSET)
        + (case.held_vnd is not UNSET)
        + (case.verified_on is not UNSET)
        + (case.published_on is not UNSET)
        + (case.auctioned_on is not UNSET)
        + (case.handed_over_on is not UNSET)
        + (case.reason_code is not UNSET)
    )
    colons = raw.count(b":")
    return colons != members and (
        colons != members + case.as_of.count(":") + case.case_no.count(":")
    )


def _day(text: object) -> str:
    if isinstance(text, str) and _DAY.fullmatch(text):
        try:
            if 1900 <= date.fromisoformat(text).year < 2200:
                return text
        except ValueError:
            pass
    raise Wrong("bad_day", _BAD_DAY)


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Wrong("bad_moment", _BAD_MOMENT) from None
    if moment.tzinfo is None or not 1901 <= moment.year < 2199:
        raise Wrong("bad_moment", _BAD_MOMENT)
    return moment.astimezone(UTC)


def _number(text: str) -> str:
    """A case number for COPY: NFC, for two programs write Đ or ố in two ways."""
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    if not text.isprintable() or text != text.strip():
        raise Wrong("bad_form", _BAD_NUMBER)
    return text.replace("\\", "\\\\") if "\\" in text else text


def _code(text: object) -> str:
    if isinstance(text, str) and _CODE.fullmatch(text):
        return text
    raise Wrong("bad_form", _BAD_CODE)


def _claims(claims: object) -> str:
    given = () if claims is UNSET else claims
    assert isinstance(given, tuple)
    return "{" + ",".join(sorted({_code(claim) for claim in given})) + "}"


def _days(days: object) -> str:
    given = () if days is UNSET else days
    assert isinstance(given, tuple)
    return "{" + ",".join(sorted({_day(day) for day in given})) + "}"


_DISORDER = Text("Ngày không đúng thứ tự.", "Days out of order.")
_FUTURE = Text(
    "as_of sau thời điểm hiện tại.", "as_of is in the future: send what is known today."
)
_BAD_DAY = Text(
    "Ngày viết dạng 2022-03-08, từ năm 1900 đến 2199.",
    "A day is written 2022-03-08, of the years 1900 to 2199.",
)
_BAD_MOMENT = Text(
    "as_of là ngày 2022-03-08 hoặc thời điểm có múi giờ 2022-03-08T08:00:00+07:00.",
    "as_of is a day 2022-03-08 or a moment with its offset 2022-03-08T08:00:00+07:00.",
)
_BAD_NUMBER = Text(
    "Số việc có ký tự điều khiển hoặc khoảng trắng ở đầu, cuối.",
    "The number holds control characters, or spaces around it.",
)
_BAD_CODE = Text(
    "Mã gồm chữ thường, số và gạch dưới, tối đa 40 ký tự.",
    "A code is of small letters, digits and underscores, 40 at most.",
)
_NOT_IN_FORCE = Text(
    "Đơn vị không hoạt động vào ngày ra quyết định, cũng không hoạt động hôm nay.",
    "The unit stood neither on the day of the decision nor does it today.",
)
_EXCEEDS = Text(
    "Số đã thu lớn hơn số phải thu (lãi chậm thi hành?); vẫn được lưu.",
    "More was collected than was due (interest accrues?); it is kept.",
)


def _malformed(why: str) -> Text:
    return Text(f"JSON không đọc được: {why}.", f"The JSON cannot be read: {why}.")


def _unknown(code: str) -> Text:
    return Text(f"Không có đơn vị «{code}».", f"There is no unit {code!r}.")


def _no_officer(officer: str, unit: str) -> Text:
    return Text(
        f"Không có chấp hành viên «{officer}» thuộc đơn vị «{unit}».",
        f"There is no officer {officer!r} under the unit {unit!r}.",
    )

"""Rule files become checked rules, or problems that say where and what to write."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import yaml
from yaml import MappingNode, Node, ScalarNode, SequenceNode

from libs.common.periods import InvalidPeriod, Period
from services.alerts.domain.deadlines import due_of
from services.alerts.domain.expressions import (
    Expression,
    ExpressionError,
    ParamTable,
    param_value,
    parse,
)
from services.alerts.domain.rules import (
    Closes,
    Effective,
    Example,
    Expectation,
    OnDay,
    Outcome,
    Owes,
    Rule,
    Severity,
    SeverityRow,
    Source,
    Step,
    Unknown,
    Within,
)
from services.alerts.domain.syntax import nearest
from services.alerts.domain.vocabulary import (
    VOCABULARY,
    Bilingual,
    Kind,
    Name,
    Names,
    NotAValue,
    Printed,
    Value,
    day,
    read,
)
from services.alerts.engine.native import CompiledRule
from services.alerts.working_days import working_days

MAX_BYTES: Final = 64 * 1024
MAX_DEPTH: Final = 16
MAX_TEXT: Final = 2000

REQUIRED: Final = (
    "id",
    "version",
    "title",
    "basis",
    "effective",
    "watches",
    "when",
    "severity",
    "owes",
    "closes",
)
OPTIONAL: Final = (
    "where",
    "unknown",
    "due",
    "escalate",
    "message",
    "params",
    "examples",
)
LATER: Final = ("group_by", "inhibits", "visibility")

_ID: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_WHOLE: Final = re.compile(r"[0-9]{1,9}")
_PARENTS: Final = re.compile(r"parent(?:\.parent){0,4}")
_PARAM: Final = re.compile(r"[a-z_][a-z0-9_]*")

Json = str | int | bool | None | list["Json"] | dict[str, "Json"]
T = TypeVar("T")
Choice = TypeVar("Choice", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a rule file: where it stands and what to write instead."""

    file: str
    line: int
    column: int
    key: str
    message: Bilingual
    hint: str | None = None

    def __str__(self) -> str:
        hint = f" Write: {self.hint}" if self.hint else ""
        place = f"{self.file}:{self.line}:{self.column}"
        return f"{place}: {self.key}: {self.message.en}{hint}"

    def as_json(self) -> dict[str, Json]:
        return {
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "key": self.key,
            "message": {"vi": self.message.vi, "en": self.message.en},
            "hint": self.hint,
        }


class RuleErrors(ValueError):
    """The rule was not taken; `problems` names every reason that was found."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class _Refused(Exception):
    """The value at this node cannot be used."""

    def __init__(
        self,
        node: Node | None,
        key: str,
        vi: str,
        en: str,
        hint: str | None = None,
        *,
        place: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(en)
        self.key = key
        self.message = Bilingual(vi, en)
        self.hint = hint
        self.place = place or _place(node)

    def problem(self, file: str) -> Problem:
        return Problem(file, *self.place, self.key, self.message, self.hint)


def load_directory(
    path: Path, *, names: Names = VOCABULARY
) -> tuple[list[Rule], list[Problem]]:
    """Every rule file of a folder: the rules that load, the problems of the rest."""
    rules: list[Rule] = []
    problems: list[Problem] = []
    for file in sorted(path.glob("*.yaml")):
        try:
            rules.append(_load_file(file, names))
        except RuleErrors as errors:
            problems.extend(errors.problems)
    return rules, problems


def load_text(text: str, *, source: str = "<text>", names: Names = VOCABULARY) -> Rule:
    """One rule from its YAML or JSON text. Raises RuleErrors."""
    try:
        root = _composed(text)
        return _RuleReader(root, source, names).rule()
    except _Refused as refused:
        raise RuleErrors([refused.problem(source)]) from None


def _load_file(file: Path, names: Names) -> Rule:
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        words = Bilingual("Không đọc được tệp.", f"The file cannot be read: {fault}")
        raise RuleErrors([Problem(str(file), 1, 1, "", words)]) from None
    rule = load_text(text, source=str(file), names=names)
    if rule.id != file.stem:
        words = Bilingual(
            f"Tên tệp {file.name} phải trùng với id {rule.id}.",
            f"The file's name {file.name} must be its rule's id, {rule.id}.",
        )
        raise RuleErrors([Problem(str(file), 1, 1, "id", words, f"{rule.id}.yaml")])
    return rule


class _Loader(yaml.SafeLoader):
    """YAML without what makes it surprising: anchors, aliases, tags, deep nesting.

    Only nodes are composed and every scalar stays as it is written, so 84.05 never
    turns into a float and 2022-03-08 never into anything.
    """

    depth = 0

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _at_event(
                event,
                "Không dùng neo (&) và bí danh (*) của YAML.",
                "Anchors (&) and aliases (*) are not used in rules.",
            )
        if getattr(event, "tag", None):
            raise _at_event(
                event, "Không dùng thẻ (!) của YAML.", "Tags (!) are not used in rules."
            )
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _at_event(
                event,
                f"Lồng quá {MAX_DEPTH} tầng.",
                f"Nested more than {MAX_DEPTH} deep.",
            )
        node: Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _composed(text: str) -> Node:
    if len(text.encode("utf-8", "replace")) > MAX_BYTES:
        raise _Refused(
            None,
            "",
            f"Tệp lớn hơn {MAX_BYTES} byte.",
            f"The file is larger than {MAX_BYTES} bytes.",
        )
    try:
        node = yaml.compose(text, _Loader)
    except yaml.YAMLError as fault:
        raise _unreadable(fault) from None
    if node is None:
        raise _Refused(None, "", "Tệp trống.", "The file is empty.")
    return node


def _unreadable(fault: yaml.YAMLError) -> _Refused:
    mark = getattr(fault, "problem_mark", None)
    place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    why = getattr(fault, "problem", None) or "unreadable"
    return _Refused(
        None, "", f"YAML sai: {why}.", f"This is not YAML: {why}.", place=place
    )


def _at_event(event: yaml.Event, vi: str, en: str) -> _Refused:
    mark = event.start_mark
    place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    return _Refused(None, "", vi, en, place=place)


def _place(node: Node | None) -> tuple[int, int]:
    if node is None:
        return 1, 1
    return node.start_mark.line + 1, node.start_mark.column + 1


class _RuleReader:
    """Reads each key by itself, so that one fault does not hide the next."""

    def __init__(self, root: Node, file: str, names: Names) -> None:
        self._root = root
        self._file = file
        self._names = names
        self._problems: list[Problem] = []
        self._fields: dict[str, Node] = {}
        self._params: dict[str, ParamTable] = {}

    def rule(self) -> Rule:
        self._fields = self._keys()
        self._try("params", self._read_params)
        self._stop_at_problems()
        self._check_parts()
        self._stop_at_problems()
        rule = self._built()
        self._check_whole(rule)
        self._stop_at_problems()
        self._check_examples(rule)
        self._stop_at_problems()
        return rule

    def _keys(self) -> dict[str, Node]:
        pairs = _pairs(self._root, "")
        for key, (name, _) in pairs.items():
            if key in LATER:
                self._report(_later(name, key, key))
            elif key not in REQUIRED and key not in OPTIONAL:
                self._report(
                    _unknown_key(name, "", key, (*REQUIRED, *OPTIONAL, *LATER))
                )
        for key in REQUIRED:
            if key not in pairs:
                self._report(_absent(self._root, key))
        return {key: value for key, (_, value) in pairs.items()}

    def _check_parts(self) -> None:
        """Read every part for its faults; `_built` reads again for the values."""
        self._try("id", _id)
        self._try("version", _version)
        self._try("title", lambda node: _bilingual(node, "title"))
        self._try("basis", _basis)
        self._try("effective", _effective)
        self._try("watches", _watches)
        self._try("where", lambda node: self._expression(node, "where"))
        self._try("when", lambda node: self._expression(node, "when"))
        self._try("unknown", lambda node: _choice(node, "unknown", Unknown))
        self._try("severity", self._severity)
        self._try("owes", lambda node: _choice(node, "owes", Owes))
        self._try("due", _due)
        self._try("escalate", _escalate)
        self._try("closes", lambda node: _choice(node, "closes", Closes))
        self._try("message", lambda node: _bilingual(node, "message"))
        for number, node in enumerate(self._example_nodes()):
            self._try_node(node, partial(self._example, f"examples[{number}]"))

    def _built(self) -> Rule:
        fields = self._fields
        return Rule(
            id=_id(fields["id"]),
            version=_version(fields["version"]),
            title=_bilingual(fields["title"], "title"),
            basis=_basis(fields["basis"]),
            effective=_effective(fields["effective"]),
            where=self._optional("where", lambda n: self._expression(n, "where")),
            when=self._expression(fields["when"], "when"),
            unknown=self._optional("unknown", lambda n: _choice(n, "unknown", Unknown))
            or Unknown.HOLD,
            severity=self._severity(fields["severity"]),
            owes=_choice(fields["owes"], "owes", Owes),
            due=self._optional("due", _due),
            escalate=self._optional("escalate", _escalate) or (),
            closes=_choice(fields["closes"], "closes", Closes),
            message=self._optional("message", lambda n: _bilingual(n, "message")),
            params=self._params,
            examples=tuple(
                self._example(f"examples[{number}]", node)
                for number, node in enumerate(self._example_nodes())
            ),
        )

    def _optional(self, key: str, read_part: Callable[[Node], T]) -> T | None:
        node = self._fields.get(key)
        return None if node is None or _is_null(node) else read_part(node)

    # Problems

    def _try(self, key: str, read_part: Callable[[Node], object]) -> None:
        node = self._fields.get(key)
        if node is None or (key in OPTIONAL and _is_null(node)):
            return
        self._try_node(node, read_part)

    def _try_node(self, node: Node, read_part: Callable[[Node], object]) -> None:
        try:
            read_part(node)
        except _Refused as refused:
            self._report(refused)

    def _report(self, refused: _Refused) -> None:
        self._problems.append(refused.problem(self._file))

    def _stop_at_problems(self) -> None:
        if self._problems:
            raise RuleErrors(sorted(self._problems, key=lambda p: (p.line, p.column)))

    # Parts that need the vocabulary or the parameters

    def _read_params(self, node: Node) -> None:
        for name, (key, table) in _pairs(node, "params").items():
            if not _PARAM.fullmatch(name):
                raise _Refused(
                    key,
                    f"params.{name}",
                    "Tên tham số gồm chữ thường, số và dấu _.",
                    "A parameter's name is of small letters, digits and _.",
                    "bottom_k",
                )
            self._params[name] = _param_table(table, f"params.{name}")

    def _expression(self, node: Node, key: str) -> Expression:
        text = _text(node, key, limit=None)
        try:
            return parse(text, names=self._names, params=self._params)
        except ExpressionError as error:
            fault = error.fault
            raise _Refused(
                node,
                key,
                fault.message.vi,
                fault.message.en,
                fault.suggestion,
                place=_inside(node, fault.line, fault.column),
            ) from None

    def _severity(self, node: Node) -> tuple[SeverityRow, ...]:
        rows = tuple(
            self._severity_row(each, f"severity[{number}]")
            for number, each in enumerate(_items(node, "severity"))
        )
        ends = [number for number, row in enumerate(rows) if row.condition is None]
        if ends and ends[0] < len(rows) - 1:
            raise _Refused(
                _items(node, "severity")[ends[0] + 1],
                f"severity[{ends[0] + 1}]",
                "Dòng này không bao giờ tới lượt: dòng trước nó không có if.",
                "This row is never reached: the one before it has no `if`.",
            )
        if not ends:
            raise _Refused(
                node,
                "severity",
                "Dòng cuối phải không có if, để luôn có một mức.",
                "The last row must have no `if`, so that there is always a severity.",
                "{is: medium}",
            )
        return rows

    def _severity_row(self, node: Node, key: str) -> SeverityRow:
        fields = _fields(node, key, required=("is",), optional=("if",))
        condition = fields.get("if")
        return SeverityRow(
            self._expression(condition, f"{key}.if") if condition else None,
            _choice(fields["is"], f"{key}.is", Severity),
        )

    # Examples

    def _example_nodes(self) -> list[Node]:
        node = self._fields.get("examples")
        if node is None or _is_null(node):
            return []
        return _items(node, "examples", least=0)

    def _example(self, key: str, node: Node) -> Example:
        fields = _fields(node, key, required=("given", "expect"))
        given = _pairs(fields["given"], f"{key}.given")
        period = self._period(given, key)
        facts: dict[str, Value | None] = {}
        for name, (name_node, value) in given.items():
            if name != "period":
                word = self._word(name_node, name, f"{key}.given")
                facts[name] = _given(value, word, f"{key}.given.{name}")
        at = facts.get("at")
        return Example(
            given={name: _as_given(value) for name, (_, value) in given.items()},
            facts=_completed(facts, period),
            period_end=period.end if period else None,
            at=date.fromordinal(at) if isinstance(at, int) else None,
            expect=_expectation(fields["expect"], f"{key}.expect"),
        )

    def _period(
        self, given: Mapping[str, tuple[Node, Node]], key: str
    ) -> Period | None:
        if "period" not in given:
            return None
        node = given["period"][1]
        try:
            return Period.parse(_text(node, f"{key}.given.period"))
        except InvalidPeriod:
            raise _Refused(
                node,
                f"{key}.given.period",
                "Kỳ viết là 2022M05 hoặc 2025-09-12.",
                "A period is written 2022M05 or 2025-09-12.",
                "2022M05",
            ) from None

    def _word(self, node: Node, name: str, key: str) -> Name:
        known = self._names.get(name)
        if known is None:
            raise _unknown_key(node, key, name, ("period", *self._names))
        return known

    # The rule as a whole

    def _check_whole(self, rule: Rule) -> None:
        fields = self._fields
        if rule.owes is Owes.NOTHING:
            self._check_owes_nothing(rule)
        elif rule.due is None:
            self._report(_absent(self._root, "due"))
        if rule.due is None and rule.escalate:
            self._report(
                _Refused(
                    fields["escalate"],
                    "escalate",
                    "Không có hạn thì không có bước nào sau hạn.",
                    "Without a due date there are no steps after it.",
                )
            )

    def _check_owes_nothing(self, rule: Rule) -> None:
        if rule.due is not None:
            self._report(
                _Refused(
                    self._fields["due"],
                    "due",
                    "Không phải nộp gì thì không có hạn.",
                    "Where nothing is owed, nothing is due.",
                )
            )
        if rule.closes is Closes.ACCEPTED:
            self._report(
                _Refused(
                    self._fields["closes"],
                    "closes",
                    "Không phải nộp gì thì không có gì để chấp nhận.",
                    "Where nothing is owed, there is nothing to accept.",
                    "data",
                )
            )

    def _check_examples(self, rule: Rule) -> None:
        compiled = CompiledRule(rule)
        pairs = zip(rule.examples, self._example_nodes(), strict=True)
        for number, (example, node) in enumerate(pairs):
            key = f"examples[{number}]"
            self._try_node(node, partial(_hold, compiled, example, key))


# Whole parts


def _id(node: Node) -> str:
    text = _text(node, "id")
    if not _ID.fullmatch(text) or len(text) > 64:
        raise _Refused(
            node,
            "id",
            "id gồm chữ thường, số và dấu gạch nối, tối đa 64 ký tự.",
            "An id is of small letters, digits and hyphens, at most 64.",
            "below-last-year",
        )
    return text


def _version(node: Node) -> int:
    return _whole(node, "version", least=1)


def _watches(node: Node) -> str:
    text = _text(node, "watches")
    if text in ("case", "missing_report"):
        raise _later(node, "watches", f"watches: {text}")
    if text != "scorecard":
        raise _not_among(node, "watches", text, ["scorecard"])
    return text


def _basis(node: Node) -> tuple[Source, ...]:
    return tuple(
        _source(each, f"basis[{number}]")
        for number, each in enumerate(_items(node, "basis"))
    )


def _source(node: Node, key: str) -> Source:
    fields = _fields(node, key, required=("document", "date"), optional=("at",))
    return Source(
        _text(fields["document"], f"{key}.document"),
        _day(fields["date"], f"{key}.date"),
        _text(fields["at"], f"{key}.at") if "at" in fields else None,
    )


def _effective(node: Node) -> Effective:
    fields = _fields(node, "effective", required=("from",), optional=("to",))
    start = _day(fields["from"], "effective.from")
    if "to" not in fields or _is_null(fields["to"]):
        return Effective(start)
    end = _day(fields["to"], "effective.to")
    if end <= start:
        raise _Refused(
            fields["to"],
            "effective.to",
            "Ngày hết hiệu lực (không tính ngày đó) phải sau ngày bắt đầu.",
            "The first day out must come after the first day in.",
        )
    return Effective(start, end)


def _due(node: Node) -> OnDay | Within:
    pairs = _pairs(node, "due")
    if "every" in pairs:
        raise _later(pairs["every"][0], "due.every", "every")
    fields = _fields(node, "due", optional=("by", "before", "within", "from"))
    ways = [way for way in ("by", "before", "within") if way in fields]
    if len(ways) != 1 or ("from" in fields and ways != ["within"]):
        raise _Refused(
            node,
            "due",
            "Hạn là một trong by, before, within (within có thể kèm from).",
            "A due date is one of by, before, within (which may take from).",
            "{by: {day: 15, month: after_period}}",
        )
    if ways == ["within"]:
        return _within(fields)
    return _on_day(fields[ways[0]], f"due.{ways[0]}", inclusive=ways == ["by"])


def _on_day(node: Node, key: str, *, inclusive: bool) -> OnDay:
    fields = _fields(node, key, required=("day", "month"))
    month = _text(fields["month"], f"{key}.month")
    if month != "after_period":
        raise _not_among(fields["month"], f"{key}.month", month, ["after_period"])
    number = _whole(fields["day"], f"{key}.day", least=1, most=31)
    return OnDay(number, inclusive)


def _within(fields: Mapping[str, Node]) -> Within:
    days = _whole(fields["within"], "due.within", least=0, most=366)
    if "from" not in fields:
        return Within(days)
    start = _text(fields["from"], "due.from")
    if start not in ("period_end", "opening"):
        raise _not_among(fields["from"], "due.from", start, ["period_end", "opening"])
    return Within(days, from_period_end=start == "period_end")


def _escalate(node: Node) -> tuple[Step, ...]:
    return tuple(
        _step(each, f"escalate[{number}]")
        for number, each in enumerate(_items(node, "escalate", least=0))
    )


def _step(node: Node, key: str) -> Step:
    fields = _fields(node, key, required=("after", "to"))
    to = _text(fields["to"], f"{key}.to")
    if not _PARENTS.fullmatch(to):
        raise _not_among(fields["to"], f"{key}.to", to, ["parent", "parent.parent"])
    return Step(_after(fields["after"], f"{key}.after"), to.count("parent"))


def _after(node: Node, key: str) -> int | None:
    if isinstance(node, MappingNode):
        fields = _fields(node, key, required=("working_days",))
        return _whole(fields["working_days"], f"{key}.working_days", most=366)
    text = _text(node, key)
    if text != "due":
        raise _not_among(node, key, text, ["due", "{working_days: 3}"])
    return None


def _param_table(node: Node, key: str) -> ParamTable:
    rows = []
    for number, each in enumerate(_items(node, key)):
        place = f"{key}[{number}]"
        fields = _fields(
            each, place, required=("from", "value"), optional=("document", "at")
        )
        text = _text(fields["value"], f"{place}.value")
        try:
            value = param_value(text)
        except NotAValue:
            raise _not_a_value(fields["value"], f"{place}.value", text) from None
        rows.append((_day(fields["from"], f"{place}.from"), value))
    days = [first_day for first_day, _ in rows]
    if days != sorted(set(days)):
        raise _Refused(
            node,
            key,
            "Các giá trị phải theo thứ tự ngày, mỗi ngày một giá trị.",
            "The values must stand in the order of their days, one for each.",
        )
    return tuple(rows)


# Examples


def _given(node: Node, word: Name, key: str) -> Value | None:
    if _is_null(node):
        return None
    if word.kind is Kind.LIST:
        texts = [_text(each, key) for each in _items(node, key, least=0)]
        return tuple(texts)
    text = _text(node, key)
    try:
        return read(text, word.kind)
    except NotAValue:
        raise _not_a_value(node, key, text, word.kind) from None


def _as_given(node: Node) -> Printed:
    if isinstance(node, SequenceNode):
        return [str(each.value) for each in node.value]
    return None if _is_null(node) else str(node.value)


def _completed(
    facts: Mapping[str, Value | None], period: Period | None
) -> dict[str, Value | None]:
    """What is given, and what follows from it: differences, days left, `met`."""
    rate, target = _number(facts, "rate"), _number(facts, "target.rate")
    follows: dict[str, Value | None] = {
        "last_year.points": _difference(rate, _number(facts, "last_year.rate")),
        "above_national": _difference(rate, _number(facts, "national.rate")),
    }
    if rate is not None and target is not None:
        more_than = facts.get("target.operator") == "more_than"
        met = rate > target if more_than else rate >= target
        follows |= {"met": met, "shortfall.points": 0 if met else target - rate}
    if period is not None:
        follows |= {"period.months": period.months, "period.end": _end(period)}
        at = _number(facts, "at")
        if at is not None:
            follows["days_left"] = max(period.year_end.toordinal() - at, 0)
    return follows | dict(facts)


def _end(period: Period) -> int:
    return period.end.toordinal()


def _number(facts: Mapping[str, Value | None], name: str) -> int | None:
    value = facts.get(name)
    return value if isinstance(value, int) else None


def _difference(left: int | None, right: int | None) -> int | None:
    return None if left is None or right is None else left - right


def _expectation(node: Node, key: str) -> Expectation:
    fields = _fields(node, key, optional=("fires", "held", "severity", "due"))
    if not fields:
        raise _Refused(
            node,
            key,
            "Ví dụ phải nói kết quả chờ đợi.",
            "An example must say what it expects.",
            "{fires: true}",
        )
    return Expectation(
        fires=_flag(fields["fires"], f"{key}.fires") if "fires" in fields else None,
        held=_flag(fields["held"], f"{key}.held") if "held" in fields else None,
        severity=_choice(fields["severity"], f"{key}.severity", Severity)
        if "severity" in fields
        else None,
        due=_day(fields["due"], f"{key}.due") if "due" in fields else None,
    )


def _hold(compiled: CompiledRule, example: Example, key: str, node: Node) -> None:
    """Refuse an example that the rule does not bear out."""
    verdict = compiled.judge(example.facts)
    outcome = verdict.outcome if verdict else None
    severity = verdict.severity if verdict else None
    expect = example.expect
    missing = ", ".join(verdict.missing) if verdict else ""
    came = f"{outcome or 'out of scope'}{f' (missing: {missing})' if missing else ''}"
    if expect.fires is not None and expect.fires is not (outcome is Outcome.FIRED):
        raise _fails(node, key, f"fires: {_said(expect.fires)}", came)
    if expect.fires is False and expect.held is None and outcome is Outcome.HELD:
        raise _fails(node, key, "fires: false", came, "held: true")
    if expect.held is not None and expect.held is not (outcome is Outcome.HELD):
        raise _fails(node, key, f"held: {_said(expect.held)}", came)
    if expect.severity is not None and expect.severity is not severity:
        raise _fails(node, key, f"severity: {expect.severity}", str(severity or came))
    if expect.due is not None:
        _hold_due(compiled.rule, example, node, key)


def _hold_due(rule: Rule, example: Example, node: Node, key: str) -> None:
    opening = isinstance(rule.due, Within) and not rule.due.from_period_end
    if example.at is None if opening else example.period_end is None:
        raise _Refused(
            node,
            f"{key}.given",
            "Để tính hạn, given phải có kỳ (period) hoặc ngày (at).",
            "To know the due date, `given` must say the period or the day (at).",
            "at: 2025-09-15" if opening else "period: 2022M05",
        )
    due = due_of(
        rule.due,
        period_end=example.period_end or date.min,
        opened_on=example.at or date.min,
        is_working=working_days(),
    )
    came = due.on if due else None
    if came != example.expect.due:
        raise _fails(node, key, f"due: {example.expect.due}", str(came))


def _fails(
    node: Node, key: str, expected: str, came: str, hint: str | None = None
) -> _Refused:
    return _Refused(
        node,
        key,
        f"Ví dụ không đúng: chờ {expected}, nhưng được {came}.",
        f"The example does not hold: it expects {expected}, and gets {came}.",
        hint,
    )


def _said(value: bool) -> str:
    return "true" if value else "false"


# Single values


def _pairs(node: Node, key: str) -> dict[str, tuple[Node, Node]]:
    if not isinstance(node, MappingNode):
        raise _Refused(
            node,
            key,
            "Chỗ này cần các cặp khóa: giá trị.",
            "Pairs of key: value are expected here.",
        )
    pairs: dict[str, tuple[Node, Node]] = {}
    for name, value in node.value:
        text = _text(name, key)
        if text in pairs:
            raise _Refused(
                name,
                f"{key}.{text}" if key else text,
                f"Khóa {text!r} có hai lần.",
                f"The key {text!r} stands here twice.",
            )
        pairs[text] = (name, value)
    return pairs


def _fields(
    node: Node,
    key: str,
    *,
    required: tuple[str, ...] = (),
    optional: tuple[str, ...] = (),
) -> dict[str, Node]:
    pairs = _pairs(node, key)
    for name, (name_node, _) in pairs.items():
        if name not in required and name not in optional:
            raise _unknown_key(name_node, key, name, (*required, *optional))
    for name in required:
        if name not in pairs:
            raise _absent(node, f"{key}.{name}")
    return {name: value for name, (_, value) in pairs.items()}


def _items(node: Node, key: str, *, least: int = 1) -> list[Node]:
    if not isinstance(node, SequenceNode) or len(node.value) < least:
        raise _Refused(
            node,
            key,
            "Chỗ này cần một danh sách.",
            "A list is expected here.",
            "[…]",
        )
    return list(node.value)


def _text(node: Node, key: str, *, limit: int | None = MAX_TEXT) -> str:
    if not isinstance(node, ScalarNode) or _is_null(node) or not node.value.strip():
        raise _Refused(
            node, key, "Chỗ này cần một giá trị.", "A value is expected here."
        )
    if limit is not None and len(node.value) > limit:
        raise _Refused(
            node, key, f"Dài quá {limit} ký tự.", f"Longer than {limit} characters."
        )
    return unicodedata.normalize("NFC", node.value)


def _whole(node: Node, key: str, *, least: int = 0, most: int = 10**9) -> int:
    text = _text(node, key)
    if not _WHOLE.fullmatch(text) or not least <= int(text) <= most:
        raise _Refused(
            node,
            key,
            f"Cần một số nguyên từ {least} đến {most}, không phải {text!r}.",
            f"A whole number from {least} to {most} is expected, not {text!r}.",
        )
    return int(text)


def _day(node: Node, key: str) -> date:
    text = _text(node, key)
    try:
        return day(text)
    except NotAValue:
        raise _not_a_value(node, key, text, Kind.DATE) from None


def _flag(node: Node, key: str) -> bool:
    text = _text(node, key)
    if text not in ("true", "false"):
        raise _not_among(node, key, text, ["true", "false"])
    return text == "true"


def _choice(node: Node, key: str, choices: type[Choice]) -> Choice:
    text = _text(node, key)
    try:
        return choices(text)
    except ValueError:
        raise _not_among(node, key, text, [each.value for each in choices]) from None


def _bilingual(node: Node, key: str) -> Bilingual:
    fields = _fields(node, key, required=("vi", "en"))
    return Bilingual(_text(fields["vi"], f"{key}.vi"), _text(fields["en"], f"{key}.en"))


def _is_null(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.tag == "tag:yaml.org,2002:null"


def _inside(node: Node, line: int, column: int) -> tuple[int, int]:
    """Where in the file a place within a scalar's text is, as near as YAML tells."""
    first_line, first_column = _place(node)
    if getattr(node, "style", None) in ("|", ">"):
        return first_line + line, column
    if node.start_mark.line != node.end_mark.line:
        return first_line, first_column
    quote = 1 if getattr(node, "style", None) in ('"', "'") else 0
    return first_line, first_column + quote + column - 1


# Refusals that recur


def _unknown_key(node: Node, key: str, name: str, known: Iterable[str]) -> _Refused:
    known = list(known)
    return _Refused(
        node,
        f"{key}.{name}" if key else name,
        f"Không có khóa {name!r} ở đây.",
        f"There is no key {name!r} here.",
        nearest(name, known),
    )


def _absent(node: Node, key: str) -> _Refused:
    name = key.rsplit(".", 1)[-1]
    return _Refused(
        node,
        key,
        f"Thiếu khóa {name!r}.",
        f"The key {name!r} is missing.",
        f"{name}: …",
    )


def _later(node: Node, key: str, what: str) -> _Refused:
    return _Refused(
        node,
        key,
        f"Phiên bản này chưa hỗ trợ {what!r}.",
        f"{what!r} is not supported by this version.",
    )


def _not_among(node: Node, key: str, text: str, known: list[str]) -> _Refused:
    listed = ", ".join(known)
    return _Refused(
        node,
        key,
        f"{text!r} không phải là một trong: {listed}.",
        f"{text!r} is none of: {listed}.",
        nearest(text, known) or known[0],
    )


def _not_a_value(node: Node, key: str, text: str, kind: Kind | None = None) -> _Refused:
    wanted = f" {kind.value}" if kind else ""
    return _Refused(
        node,
        key,
        f"{text!r} không phải là giá trị{wanted}.",
        f"{text!r} is no{wanted or ' value'}.",
        _WRITTEN.get(kind) if kind else None,
    )


_WRITTEN: Final[Mapping[Kind, str]] = {
    Kind.DATE: "2022-03-08",
    Kind.PERCENT: '"73.45"',
    Kind.POINTS: '"10.60"',
    Kind.FLAG: "true",
}


# Rules as JSON


def dump(rule: Rule) -> dict[str, Json]:
    """A rule as the API gives it, its expressions as they were written."""
    return {
        "id": rule.id,
        "version": rule.version,
        "title": _both(rule.title),
        "basis": [_dump_source(source) for source in rule.basis],
        "effective": _without_none(
            {
                "from": rule.effective.start.isoformat(),
                "to": rule.effective.end.isoformat() if rule.effective.end else None,
            }
        ),
        "watches": "scorecard",
        "where": rule.where.text if rule.where else None,
        "when": rule.when.text,
        "unknown": rule.unknown.value,
        "severity": [_dump_severity(row) for row in rule.severity],
        "owes": rule.owes.value,
        "due": _dump_due(rule.due),
        "escalate": [_dump_step(step) for step in rule.escalate],
        "closes": rule.closes.value,
        "message": _both(rule.message) if rule.message else None,
        "params": {name: _dump_param(table) for name, table in rule.params.items()},
        "examples": [_dump_example(example) for example in rule.examples],
    }


def _both(words: Bilingual) -> dict[str, Json]:
    return {"vi": words.vi, "en": words.en}


def _without_none(fields: Mapping[str, Json]) -> dict[str, Json]:
    return {key: value for key, value in fields.items() if value is not None}


def _dump_source(source: Source) -> dict[str, Json]:
    return _without_none(
        {
            "document": source.document,
            "date": source.date.isoformat(),
            "at": source.at,
        }
    )


def _dump_severity(row: SeverityRow) -> dict[str, Json]:
    text = row.condition.text if row.condition else None
    return _without_none({"if": text, "is": row.severity.value})


def _dump_due(due: OnDay | Within | None) -> Json:
    if due is None:
        return None
    if isinstance(due, OnDay):
        on_day: Json = {"day": due.day, "month": "after_period"}
        return {"by" if due.inclusive else "before": on_day}
    within: dict[str, Json] = {"within": due.working_days}
    return within | ({"from": "period_end"} if due.from_period_end else {})


def _dump_step(step: Step) -> dict[str, Json]:
    days = step.working_days
    after: Json = "due" if days is None else {"working_days": days}
    return {"after": after, "to": ".".join(["parent"] * step.levels)}


def _dump_param(table: ParamTable) -> Json:
    return [
        {"from": first_day.isoformat(), "value": value.text}
        for first_day, value in table
    ]


def _dump_example(example: Example) -> dict[str, Json]:
    expect = example.expect
    given: dict[str, Json] = {}
    for name, value in example.given.items():
        given[name] = list(value) if isinstance(value, list) else value
    return {
        "given": given,
        "expect": _without_none(
            {
                "fires": expect.fires,
                "held": expect.held,
                "severity": expect.severity.value if expect.severity else None,
                "due": expect.due.isoformat() if expect.due else None,
            }
        ),
    }

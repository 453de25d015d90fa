"""Rule files become checked rules, or problems that say where and what to write."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from yaml import MappingNode, Node, SequenceNode

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
from services.alerts.domain.vocabulary import (
    VOCABULARY,
    Bilingual,
    Kind,
    Name,
    Names,
    NotAValue,
    Printed,
    Value,
    read,
)
from services.alerts.engine.native import CompiledRule
from services.alerts.rule_nodes import (
    Json,
    Problem,
    Refused,
    absent,
    bilingual_of,
    choice_of,
    composed,
    day_of,
    fields_of,
    flag_of,
    is_null,
    items_of,
    later,
    not_a_value,
    not_among,
    pairs_of,
    place_within,
    text_of,
    unknown_key,
    whole_of,
)
from services.alerts.working_days import working_days

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
_PARENTS: Final = re.compile(r"parent(?:\.parent){0,4}")
_PARAM: Final = re.compile(r"[a-z_][a-z0-9_]*")

T = TypeVar("T")


class RuleErrors(ValueError):
    """The rule was not taken; `problems` names every reason that was found."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


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
        root = composed(text)
        return _RuleReader(root, source, names).rule()
    except Refused as refused:
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
        pairs = pairs_of(self._root, "")
        for key, (name, _) in pairs.items():
            if key in LATER:
                self._report(later(name, key, key))
            elif key not in REQUIRED and key not in OPTIONAL:
                self._report(unknown_key(name, "", key, (*REQUIRED, *OPTIONAL, *LATER)))
        for key in REQUIRED:
            if key not in pairs:
                self._report(absent(self._root, key))
        return {key: value for key, (_, value) in pairs.items()}

    def _check_parts(self) -> None:
        """Read every part for its faults; `_built` reads again for the values."""
        self._try("id", _id)
        self._try("version", _version)
        self._try("title", lambda node: bilingual_of(node, "title"))
        self._try("basis", _basis)
        self._try("effective", _effective)
        self._try("watches", _watches)
        self._try("where", lambda node: self._expression(node, "where"))
        self._try("when", lambda node: self._expression(node, "when"))
        self._try("unknown", lambda node: choice_of(node, "unknown", Unknown))
        self._try("severity", self._severity)
        self._try("owes", lambda node: choice_of(node, "owes", Owes))
        self._try("due", _due)
        self._try("escalate", _escalate)
        self._try("closes", lambda node: choice_of(node, "closes", Closes))
        self._try("message", lambda node: bilingual_of(node, "message"))
        for number, node in enumerate(self._example_nodes()):
            self._try_node(node, partial(self._example, f"examples[{number}]"))

    def _built(self) -> Rule:
        fields = self._fields
        return Rule(
            id=_id(fields["id"]),
            version=_version(fields["version"]),
            title=bilingual_of(fields["title"], "title"),
            basis=_basis(fields["basis"]),
            effective=_effective(fields["effective"]),
            where=self._optional("where", lambda n: self._expression(n, "where")),
            when=self._expression(fields["when"], "when"),
            unknown=self._optional(
                "unknown", lambda n: choice_of(n, "unknown", Unknown)
            )
            or Unknown.HOLD,
            severity=self._severity(fields["severity"]),
            owes=choice_of(fields["owes"], "owes", Owes),
            due=self._optional("due", _due),
            escalate=self._optional("escalate", _escalate) or (),
            closes=choice_of(fields["closes"], "closes", Closes),
            message=self._optional("message", lambda n: bilingual_of(n, "message")),
            params=self._params,
            examples=tuple(
                self._example(f"examples[{number}]", node)
                for number, node in enumerate(self._example_nodes())
            ),
        )

    def _optional(self, key: str, read_part: Callable[[Node], T]) -> T | None:
        node = self._fields.get(key)
        return None if node is None or is_null(node) else read_part(node)

    # Problems

    def _try(self, key: str, read_part: Callable[[Node], object]) -> None:
        node = self._fields.get(key)
        if node is None or (key in OPTIONAL and is_null(node)):
            return
        self._try_node(node, read_part)

    def _try_node(self, node: Node, read_part: Callable[[Node], object]) -> None:
        try:
            read_part(node)
        except Refused as refused:
            self._report(refused)

    def _report(self, refused: Refused) -> None:
        self._problems.append(refused.problem(self._file))

    def _stop_at_problems(self) -> None:
        if self._problems:
            raise RuleErrors(sorted(self._problems, key=lambda p: (p.line, p.column)))

    # Parts that need the vocabulary or the parameters

    def _read_params(self, node: Node) -> None:
        for name, (key, table) in pairs_of(node, "params").items():
            if not _PARAM.fullmatch(name):
                raise Refused(
                    key,
                    f"params.{name}",
                    "Tên tham số gồm chữ thường, số và dấu _.",
                    "A parameter's name is of small letters, digits and _.",
                    "bottom_k",
                )
            self._params[name] = _param_table(table, f"params.{name}")

    def _expression(self, node: Node, key: str) -> Expression:
        text = text_of(node, key, limit=None)
        try:
            return parse(text, names=self._names, params=self._params)
        except ExpressionError as error:
            fault = error.fault
            raise Refused(
                node,
                key,
                fault.message.vi,
                fault.message.en,
                fault.suggestion,
                place=place_within(node, fault.line, fault.column),
            ) from None

    def _severity(self, node: Node) -> tuple[SeverityRow, ...]:
        rows = tuple(
            self._severity_row(each, f"severity[{number}]")
            for number, each in enumerate(items_of(node, "severity"))
        )
        ends = [number for number, row in enumerate(rows) if row.condition is None]
        if ends and ends[0] < len(rows) - 1:
            raise Refused(
                items_of(node, "severity")[ends[0] + 1],
                f"severity[{ends[0] + 1}]",
                "Dòng này không bao giờ tới lượt: dòng trước nó không có if.",
                "This row is never reached: the one before it has no `if`.",
            )
        if not ends:
            raise Refused(
                node,
                "severity",
                "Dòng cuối phải không có if, để luôn có một mức.",
                "The last row must have no `if`, so that there is always a severity.",
                "{is: medium}",
            )
        return rows

    def _severity_row(self, node: Node, key: str) -> SeverityRow:
        fields = fields_of(node, key, required=("is",), optional=("if",))
        condition = fields.get("if")
        return SeverityRow(
            self._expression(condition, f"{key}.if") if condition else None,
            choice_of(fields["is"], f"{key}.is", Severity),
        )

    # Examples

    def _example_nodes(self) -> list[Node]:
        node = self._fields.get("examples")
        if node is None or is_null(node):
            return []
        return items_of(node, "examples", least=0)

    def _example(self, key: str, node: Node) -> Example:
        fields = fields_of(node, key, required=("given", "expect"))
        given = pairs_of(fields["given"], f"{key}.given")
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
            return Period.parse(text_of(node, f"{key}.given.period"))
        except InvalidPeriod:
            raise Refused(
                node,
                f"{key}.given.period",
                "Kỳ viết là 2022M05 hoặc 2025-09-12.",
                "A period is written 2022M05 or 2025-09-12.",
                "2022M05",
            ) from None

    def _word(self, node: Node, name: str, key: str) -> Name:
        known = self._names.get(name)
        if known is None:
            raise unknown_key(node, key, name, ("period", *self._names))
        return known

    # The rule as a whole

    def _check_whole(self, rule: Rule) -> None:
        fields = self._fields
        if rule.owes is Owes.NOTHING:
            self._check_owes_nothing(rule)
        elif rule.due is None:
            self._report(absent(self._root, "due"))
        if rule.due is None and rule.escalate:
            self._report(
                Refused(
                    fields["escalate"],
                    "escalate",
                    "Không có hạn thì không có bước nào sau hạn.",
                    "Without a due date there are no steps after it.",
                )
            )

    def _check_owes_nothing(self, rule: Rule) -> None:
        if rule.due is not None:
            self._report(
                Refused(
                    self._fields["due"],
                    "due",
                    "Không phải nộp gì thì không có hạn.",
                    "Where nothing is owed, nothing is due.",
                )
            )
        if rule.closes is Closes.ACCEPTED:
            self._report(
                Refused(
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
    text = text_of(node, "id")
    if not _ID.fullmatch(text) or len(text) > 64:
        raise Refused(
            node,
            "id",
            "id gồm chữ thường, số và dấu gạch nối, tối đa 64 ký tự.",
            "An id is of small letters, digits and hyphens, at most 64.",
            "below-last-year",
        )
    return text


def _version(node: Node) -> int:
    return whole_of(node, "version", least=1)


def _watches(node: Node) -> str:
    text = text_of(node, "watches")
    if text in ("case", "missing_report"):
        raise later(node, "watches", f"watches: {text}")
    if text != "scorecard":
        raise not_among(node, "watches", text, ["scorecard"])
    return text


def _basis(node: Node) -> tuple[Source, ...]:
    return tuple(
        _source(each, f"basis[{number}]")
        for number, each in enumerate(items_of(node, "basis"))
    )


def _source(node: Node, key: str) -> Source:
    fields = fields_of(node, key, required=("document", "date"), optional=("at",))
    return Source(
        text_of(fields["document"], f"{key}.document"),
        day_of(fields["date"], f"{key}.date"),
        text_of(fields["at"], f"{key}.at") if "at" in fields else None,
    )


def _effective(node: Node) -> Effective:
    fields = fields_of(node, "effective", required=("from",), optional=("to",))
    start = day_of(fields["from"], "effective.from")
    if "to" not in fields or is_null(fields["to"]):
        return Effective(start)
    end = day_of(fields["to"], "effective.to")
    if end <= start:
        raise Refused(
            fields["to"],
            "effective.to",
            "Ngày hết hiệu lực (không tính ngày đó) phải sau ngày bắt đầu.",
            "The first day out must come after the first day in.",
        )
    return Effective(start, end)


def _due(node: Node) -> OnDay | Within:
    pairs = pairs_of(node, "due")
    if "every" in pairs:
        raise later(pairs["every"][0], "due.every", "every")
    fields = fields_of(node, "due", optional=("by", "before", "within", "from"))
    ways = [way for way in ("by", "before", "within") if way in fields]
    if len(ways) != 1 or ("from" in fields and ways != ["within"]):
        raise Refused(
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
    fields = fields_of(node, key, required=("day", "month"))
    month = text_of(fields["month"], f"{key}.month")
    if month != "after_period":
        raise not_among(fields["month"], f"{key}.month", month, ["after_period"])
    number = whole_of(fields["day"], f"{key}.day", least=1, most=31)
    return OnDay(number, inclusive)


def _within(fields: Mapping[str, Node]) -> Within:
    days = whole_of(fields["within"], "due.within", least=0, most=366)
    if "from" not in fields:
        return Within(days)
    start = text_of(fields["from"], "due.from")
    if start not in ("period_end", "opening"):
        raise not_among(fields["from"], "due.from", start, ["period_end", "opening"])
    return Within(days, from_period_end=start == "period_end")


def _escalate(node: Node) -> tuple[Step, ...]:
    return tuple(
        _step(each, f"escalate[{number}]")
        for number, each in enumerate(items_of(node, "escalate", least=0))
    )


def _step(node: Node, key: str) -> Step:
    fields = fields_of(node, key, required=("after", "to"))
    to = text_of(fields["to"], f"{key}.to")
    if not _PARENTS.fullmatch(to):
        raise not_among(fields["to"], f"{key}.to", to, ["parent", "parent.parent"])
    return Step(_after(fields["after"], f"{key}.after"), to.count("parent"))


def _after(node: Node, key: str) -> int | None:
    if isinstance(node, MappingNode):
        fields = fields_of(node, key, required=("working_days",))
        return whole_of(fields["working_days"], f"{key}.working_days", most=366)
    text = text_of(node, key)
    if text != "due":
        raise not_among(node, key, text, ["due", "{working_days: 3}"])
    return None


def _param_table(node: Node, key: str) -> ParamTable:
    rows = []
    for number, each in enumerate(items_of(node, key)):
        place = f"{key}[{number}]"
        fields = fields_of(
            each, place, required=("from", "value"), optional=("document", "at")
        )
        text = text_of(fields["value"], f"{place}.value")
        try:
            value = param_value(text)
        except NotAValue:
            raise not_a_value(fields["value"], f"{place}.value", text) from None
        rows.append((day_of(fields["from"], f"{place}.from"), value))
    days = [first_day for first_day, _ in rows]
    if days != sorted(set(days)):
        raise Refused(
            node,
            key,
            "Các giá trị phải theo thứ tự ngày, mỗi ngày một giá trị.",
            "The values must stand in the order of their days, one for each.",
        )
    return tuple(rows)


# Examples


def _given(node: Node, word: Name, key: str) -> Value | None:
    if is_null(node):
        return None
    if word.kind is Kind.LIST:
        texts = [text_of(each, key) for each in items_of(node, key, least=0)]
        return tuple(texts)
    text = text_of(node, key)
    try:
        return read(text, word.kind)
    except NotAValue:
        raise not_a_value(node, key, text, word.kind) from None


def _as_given(node: Node) -> Printed:
    if isinstance(node, SequenceNode):
        return [str(each.value) for each in node.value]
    return None if is_null(node) else str(node.value)


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
    fields = fields_of(node, key, optional=("fires", "held", "severity", "due"))
    if not fields:
        raise Refused(
            node,
            key,
            "Ví dụ phải nói kết quả chờ đợi.",
            "An example must say what it expects.",
            "{fires: true}",
        )
    return Expectation(
        fires=flag_of(fields["fires"], f"{key}.fires") if "fires" in fields else None,
        held=flag_of(fields["held"], f"{key}.held") if "held" in fields else None,
        severity=choice_of(fields["severity"], f"{key}.severity", Severity)
        if "severity" in fields
        else None,
        due=day_of(fields["due"], f"{key}.due") if "due" in fields else None,
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
        raise Refused(
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
) -> Refused:
    return Refused(
        node,
        key,
        f"Ví dụ không đúng: chờ {expected}, nhưng được {came}.",
        f"The example does not hold: it expects {expected}, and gets {came}.",
        hint,
    )


def _said(value: bool) -> str:
    return "true" if value else "false"


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

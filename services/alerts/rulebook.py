"""Rule files become checked rules, or problems that say where and what to write."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from yaml import Node

from services.alerts.domain import meant
from services.alerts.domain.checking import parse
from services.alerts.domain.expressions import Expression, ParamTable
from services.alerts.domain.faults import ExpressionError
from services.alerts.domain.rules import (
    Closes,
    Example,
    Owes,
    Rule,
    Severity,
    SeverityRow,
    Unknown,
    Visibility,
)
from services.alerts.domain.vocabulary import VOCABULARY, Bilingual, Names
from services.alerts.domain.watching import WORDS
from services.alerts.engine.native import CompiledRule
from services.alerts.rule_examples import example_of, hold
from services.alerts.rule_nodes import (
    bilingual_of,
    choice_of,
    composed,
    fields_of,
    is_null,
    items_of,
    pairs_of,
    text_of,
)
from services.alerts.rule_parts import (
    basis_of,
    deadline_of,
    effective_of,
    group_by_of,
    id_of,
    inhibits_of,
    param_table_of,
    steps_of,
    version_of,
    watches_of,
)
from services.alerts.rule_places import place_within
from services.alerts.rule_problems import Problem, Refused, absent, unknown_key
from services.alerts.rule_whole import misfits

RULES: Final = Path(__file__).parent / "rules"

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
    "group_by",
    "inhibits",
    "visibility",
    "examples",
)

MAX_SEVERITIES: Final = 20
"""Every row is held against those before it, so that none is in vain."""

_PARAM: Final = re.compile(r"[a-z_][a-z0-9_]*")

T = TypeVar("T")


class RuleErrors(ValueError):
    """The rule was not taken; `problems` names every reason that was found."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def load_directory(
    path: Path, *, names: Names | None = None
) -> tuple[list[Rule], list[Problem]]:
    """Every rule file of a folder: the rules that load, the problems of the rest."""
    rules: list[Rule] = []
    problems: list[Problem] = []
    for file in sorted(path.glob("*.yaml")):
        try:
            rules.append(load_file(file, names))
        except RuleErrors as errors:
            problems.extend(errors.problems)
    return rules, problems


def shipped_rules() -> list[tuple[Rule, str]]:
    """The rules that come with this version, each with its text."""
    rules, problems = load_directory(RULES)
    if problems:
        raise SystemExit("\n".join(str(problem) for problem in problems))
    texts = {path.stem: path.read_text("utf-8") for path in RULES.glob("*.yaml")}
    return [(rule, texts[rule.id]) for rule in rules]


def load_text(
    text: str,
    *,
    source: str = "<text>",
    names: Names | None = None,
    accepted: bool = False,
) -> Rule:
    """One rule from its YAML or JSON text. Raises RuleErrors.

    Its names are those of what it watches, unless others are given. Of one that was
    `accepted` before it is not asked again whether its parts and examples fit.
    """
    try:
        root = composed(text)
        return _RuleReader(root, source, names).rule(accepted=accepted)
    except Refused as refused:
        raise RuleErrors([refused.problem(source)]) from None


def load_file(file: Path, names: Names | None = None) -> Rule:
    """One rule from its file, whose name is its id. Raises RuleErrors."""
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        why = getattr(fault, "strerror", None) or fault
        words = Bilingual("Không đọc được tệp.", f"The file cannot be read: {why}")
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

    def __init__(self, root: Node, file: str, names: Names | None) -> None:
        self._root = root
        self._file = file
        self._given = names
        self._names: Names = names or VOCABULARY
        self._problems: list[Problem] = []
        self._fields: dict[str, Node] = {}
        self._params: dict[str, ParamTable] = {}
        self._only_missing = 0

    def rule(self, *, accepted: bool) -> Rule:
        self._fields = self._keys()
        self._try("watches", self._read_watches)
        self._try("params", self._read_params)
        # What is missing hides nothing, unless the other parts depend on it.
        if "watches" not in self._fields or self._only_missing < len(self._problems):
            self._stop_at_problems()
        self._check_parts()
        self._stop_at_problems()
        rule = self._built()
        if accepted:
            return rule
        self._check_whole(rule)
        self._stop_at_problems()
        self._check_examples(rule)
        self._stop_at_problems()
        return rule

    def _keys(self) -> dict[str, Node]:
        pairs = pairs_of(self._root, "")
        for key, (name, _) in pairs.items():
            if key not in REQUIRED and key not in OPTIONAL:
                self._report(unknown_key(name, "", key, (*REQUIRED, *OPTIONAL)))
        for key in REQUIRED:
            if key not in pairs:
                self._report(absent(self._root, key))
                self._only_missing += 1
        return {key: value for key, (_, value) in pairs.items()}

    def _check_parts(self) -> None:
        """Read every part for its faults; `_built` reads again for the values."""
        self._try("id", id_of)
        self._try("version", version_of)
        self._try("title", lambda node: bilingual_of(node, "title"))
        self._try("basis", basis_of)
        self._try("effective", effective_of)
        self._try("where", lambda node: self._expression(node, "where"))
        self._try("when", lambda node: self._expression(node, "when"))
        self._try("unknown", lambda node: choice_of(node, "unknown", Unknown))
        self._try("severity", self._severity)
        self._try("owes", lambda node: choice_of(node, "owes", Owes))
        self._try("due", deadline_of)
        self._try("escalate", steps_of)
        self._try("closes", lambda node: choice_of(node, "closes", Closes))
        self._try("message", lambda node: bilingual_of(node, "message"))
        self._try("group_by", group_by_of)
        self._try("inhibits", inhibits_of)
        self._try("visibility", lambda n: choice_of(n, "visibility", Visibility))
        for number, node in enumerate(self._example_nodes()):
            self._try_node(node, partial(self._example, number))

    def _built(self) -> Rule:
        fields = self._fields
        return Rule(
            id=id_of(fields["id"]),
            version=version_of(fields["version"]),
            title=bilingual_of(fields["title"], "title"),
            basis=basis_of(fields["basis"]),
            effective=effective_of(fields["effective"]),
            watches=watches_of(fields["watches"]),
            where=self._optional("where", lambda n: self._expression(n, "where")),
            when=self._expression(fields["when"], "when"),
            unknown=self._optional(
                "unknown", lambda n: choice_of(n, "unknown", Unknown)
            )
            or Unknown.HOLD,
            severity=self._severity(fields["severity"]),
            owes=choice_of(fields["owes"], "owes", Owes),
            due=self._optional("due", deadline_of),
            escalate=self._optional("escalate", steps_of) or (),
            closes=choice_of(fields["closes"], "closes", Closes),
            message=self._optional("message", lambda n: bilingual_of(n, "message")),
            group_by=self._optional("group_by", group_by_of) or (),
            inhibits=self._optional("inhibits", inhibits_of) or (),
            visibility=self._optional(
                "visibility", lambda n: choice_of(n, "visibility", Visibility)
            )
            or Visibility.UNIT,
            params=self._params,
            examples=tuple(
                self._example(number, node)
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

    def _read_watches(self, node: Node) -> None:
        watch = watches_of(node)
        self._names = self._given or WORDS[watch]

    def _read_params(self, node: Node) -> None:
        for name, (key, table) in pairs_of(node, "params").items():
            if not _PARAM.fullmatch(name):
                raise Refused(
                    key,
                    f"params.{name}",
                    "Tên tham số gồm chữ thường, số và dấu _.",
                    "A parameter's name is of small letters, digits and _.",
                    (meant.id(name) or "").replace("-", "_") or None,
                )
            self._params[name] = param_table_of(table, f"params.{name}")

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
                place=place_within(node, fault.at),
            ) from None

    def _severity(self, node: Node) -> tuple[SeverityRow, ...]:
        rows = tuple(
            self._severity_row(each, f"severity[{number}]")
            for number, each in enumerate(
                items_of(node, "severity", most=MAX_SEVERITIES)
            )
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
                "{is: …}",
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

    def _example(self, number: int, node: Node) -> Example:
        return example_of(node, f"examples[{number}]", self._names)

    # The rule as a whole

    def _check_whole(self, rule: Rule) -> None:
        for refused in misfits(rule, self._root, self._fields, self._names):
            self._report(refused)

    def _check_examples(self, rule: Rule) -> None:
        compiled = CompiledRule(rule)
        pairs = zip(rule.examples, self._example_nodes(), strict=True)
        for number, (example, node) in enumerate(pairs):
            key = f"examples[{number}]"
            self._try_node(node, partial(hold, compiled, example, key))

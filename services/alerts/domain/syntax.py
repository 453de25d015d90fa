"""Text of an expression becomes a tree of what was written, before any meaning."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from services.alerts.domain.faults import Misread
from services.alerts.domain.meant import nearest
from services.alerts.domain.numerals import rewritten
from services.alerts.domain.unreadable import foreign, unreadable
from services.alerts.domain.vocabulary import UNITS

MAX_CHARACTERS: Final = 4000
MAX_DEPTH: Final = 32
MAX_NODES: Final = 256
MAX_DIGITS: Final = 20

AGE_UNITS: Final = {
    "year": "year",
    "years": "year",
    "month": "month",
    "months": "month",
}
KEYWORDS: Final = frozenset(
    {"and", "or", "not", "is", "has", "in", "known", "unknown", "true", "false"}
)
COMPARISONS: Final = frozenset({"==", "!=", "<", "<=", ">", ">="})

# Every alternative begins differently and none nests a repetition, so matching
# takes time proportional to the text.
_TOKEN = re.compile(
    r"(?P<space>[ \t\r\n]+)"
    r"|(?P<number>[0-9][0-9_]*(?:\.[0-9]+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)"
    r'|(?P<text>"[^"\n]*")'
    r"|(?P<sign>==|!=|<=|>=|[<>()\[\],+*%-])"
)


@dataclass(frozen=True, slots=True)
class Node:
    """Where it begins in the text, and how deep the tree is below it."""

    at: int
    depth: int


@dataclass(frozen=True, slots=True)
class NumberNode(Node):
    value: Decimal
    unit: str | None


@dataclass(frozen=True, slots=True)
class TextNode(Node):
    value: str


@dataclass(frozen=True, slots=True)
class FlagNode(Node):
    value: bool


@dataclass(frozen=True, slots=True)
class NameNode(Node):
    name: str


@dataclass(frozen=True, slots=True)
class CallNode(Node):
    function: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class MinusNode(Node):
    operand: Node


@dataclass(frozen=True, slots=True)
class ArithmeticNode(Node):
    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class CompareNode(Node):
    operator: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class KnownNode(Node):
    operand: Node
    known: bool


@dataclass(frozen=True, slots=True)
class HasNode(Node):
    operand: Node
    text: str


@dataclass(frozen=True, slots=True)
class InNode(Node):
    operand: Node
    texts: tuple[TextNode, ...]


@dataclass(frozen=True, slots=True)
class TurnedNode(Node):
    """`"credit" in case.claims`: the wrong way round, or a list without brackets."""

    word: str
    name: str


@dataclass(frozen=True, slots=True)
class NotNode(Node):
    operand: Node


@dataclass(frozen=True, slots=True)
class JoinNode(Node):
    """`and` or `or` over two or more parts."""

    word: str
    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


def read_tree(text: str) -> Node:
    """Read one expression. Raises Misread with the offset of the first fault."""
    if len(text) > MAX_CHARACTERS:
        raise Misread(
            0,
            f"Biểu thức dài quá {MAX_CHARACTERS} ký tự.",
            f"The expression is longer than {MAX_CHARACTERS} characters.",
        )
    return _Parser(text).whole()


def _unit_of_kind(word: str) -> str | None:
    """How the unit is written of a kind that was named in its place: `5 points`."""
    return next((unit for unit, kind in UNITS.items() if kind == word), None)


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or foreign(text, at):
            raise unreadable(text, at)
        if match.lastgroup == "number":
            _refuse_other_numerals(text, at)
        if match.lastgroup != "space":
            yield _Token(match.lastgroup or "", match.group(), at)
        at = match.end()
    yield _Token("end", "", len(text))


def _refuse_other_numerals(text: str, at: int) -> None:
    other = rewritten(text, at)
    if other is not None:
        raise Misread(
            at,
            f"Quy tắc viết {other[0]!r} cách khác: dấu chấm trước phần lẻ, _ giữa hàng"
            " nghìn, đơn vị viết tắt.",
            f"A rule writes {other[0]!r} otherwise: a point before decimals, _ between"
            " thousands, short units.",
            other[1],
        )


class _Parser:
    """Recursive descent, one method per level of binding."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._next = 0
        self._nodes = 0
        self._open = 0

    def whole(self) -> Node:
        if self._peek().kind == "end":
            raise Misread(0, "Biểu thức trống.", "The expression is empty.")
        node = self._either()
        if self._peek().kind != "end":
            raise self._unexpected()
        return node

    def _either(self) -> Node:
        return self._join("or", self._both)

    def _both(self) -> Node:
        return self._join("and", self._negation)

    def _join(self, word: str, part: Callable[[], Node]) -> Node:
        parts = [part()]
        while self._take(word):
            parts.append(part())
        if len(parts) == 1:
            return parts[0]
        return JoinNode(parts[0].at, self._grow(*parts), word, tuple(parts))

    def _negation(self) -> Node:
        at = self._peek().at
        if not self._take("not"):
            return self._comparison()
        operand = self._nested(self._negation)
        return NotNode(at, self._grow(operand), operand)

    def _comparison(self) -> Node:
        left = self._sum()
        token = self._peek()
        if token.text in COMPARISONS:
            self._next += 1
            right = self._sum()
            self._refuse_chain()
            return CompareNode(
                token.at, self._grow(left, right), token.text, left, right
            )
        if self._take("is"):
            return KnownNode(left.at, self._grow(left), left, self._known())
        if self._take("has"):
            return HasNode(left.at, self._grow(left), left, self._text().value)
        if self._take("in"):
            return self._membership(left)
        return left

    def _membership(self, left: Node) -> Node:
        after = self._peek()
        if after.kind == "name" and isinstance(left, (TextNode, NameNode)):
            self._next += 1
            word = left.value if isinstance(left, TextNode) else left.name
            return TurnedNode(left.at, self._grow(left), word, after.text)
        return InNode(left.at, self._grow(left), left, self._texts())

    def _refuse_chain(self) -> None:
        if self._peek().text in COMPARISONS:
            raise Misread(
                self._peek().at,
                "Không so sánh nối tiếp; hãy viết a < b and b < c.",
                "Comparisons cannot be chained; write a < b and b < c.",
                "and",
            )

    def _known(self) -> bool:
        if self._take("known"):
            return True
        if self._take("unknown"):
            return False
        raise self._unexpected("known")

    def _text(self) -> TextNode:
        token = self._peek()
        if token.kind != "text":
            word = token.text if token.kind == "name" else "…"
            raise self._unexpected(f'"{word}"')
        self._next += 1
        return TextNode(token.at, 1, unicodedata.normalize("NFC", token.text[1:-1]))

    def _texts(self) -> tuple[TextNode, ...]:
        self._expect("[")
        texts = [self._text()]
        while self._take(","):
            texts.append(self._text())
        self._expect("]")
        return tuple(texts)

    def _sum(self) -> Node:
        left = self._product()
        while (sign := self._peek()).text in ("+", "-"):
            self._next += 1
            right = self._product()
            depth = self._grow(left, right)
            left = ArithmeticNode(sign.at, depth, sign.text, left, right)
        return left

    def _product(self) -> Node:
        left = self._factor()
        while (sign := self._peek()).text == "*":
            self._next += 1
            right = self._factor()
            depth = self._grow(left, right)
            left = ArithmeticNode(sign.at, depth, "*", left, right)
        return left

    def _factor(self) -> Node:
        token = self._peek()
        if self._take("-"):
            operand = self._nested(self._factor)
            return MinusNode(token.at, self._grow(operand), operand)
        if self._take("("):
            inner = self._nested(self._either)
            self._expect(")")
            return inner
        if token.kind == "number":
            return self._number()
        if token.kind == "text":
            self._grow()
            return self._text()
        if token.text in ("true", "false"):
            self._next += 1
            return FlagNode(token.at, self._grow(), token.text == "true")
        if token.kind == "name" and token.text not in KEYWORDS:
            return self._name()
        raise self._unexpected()

    def _number(self) -> Node:
        token = self._tokens[self._next]
        if len(token.text) > MAX_DIGITS:
            raise Misread(token.at, "Số quá dài.", "The number is too long.")
        self._next += 1
        value = Decimal(token.text.replace("_", ""))
        return NumberNode(token.at, self._grow(), value, self._unit())

    def _unit(self) -> str | None:
        token = self._peek()
        named = token.kind == "name" and token.text.lower() not in KEYWORDS
        if token.text != "%" and not named:
            return None
        if token.text not in UNITS and token.text not in AGE_UNITS:
            raise Misread(
                token.at,
                f"Không có đơn vị {token.text!r}.",
                f"There is no unit {token.text!r}.",
                _unit_of_kind(token.text) or nearest(token.text, [*UNITS, *AGE_UNITS]),
            )
        self._next += 1
        return token.text

    def _name(self) -> Node:
        token = self._tokens[self._next]
        self._next += 1
        if not self._take("("):
            return NameNode(token.at, self._grow(), token.text)
        arguments = [self._nested(self._sum)]
        while self._take(","):
            arguments.append(self._nested(self._sum))
        self._expect(")")
        depth = self._grow(*arguments)
        return CallNode(token.at, depth, token.text, tuple(arguments))

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self, text: str) -> bool:
        token = self._tokens[self._next]
        if token.kind in ("text", "end") or token.text != text:
            return False
        self._next += 1
        return True

    def _expect(self, text: str) -> None:
        if not self._take(text):
            raise self._unexpected(text)

    def _nested(self, part: Callable[[], Node]) -> Node:
        """Read a part one level further in; the bound keeps recursion shallow."""
        self._open += 1
        if self._open > MAX_DEPTH:
            raise self._too_deep()
        node = part()
        self._open -= 1
        return node

    def _grow(self, *children: Node) -> int:
        """Count one more node and say how deep it is."""
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise Misread(
                self._peek().at,
                f"Biểu thức có quá {MAX_NODES} phần.",
                f"The expression has more than {MAX_NODES} parts.",
            )
        depth = 1 + max((child.depth for child in children), default=0)
        if depth > MAX_DEPTH:
            raise self._too_deep()
        return depth

    def _too_deep(self) -> Misread:
        return Misread(
            self._peek().at,
            f"Biểu thức lồng quá {MAX_DEPTH} tầng.",
            f"The expression is nested more than {MAX_DEPTH} deep.",
        )

    def _unexpected(self, wanted: str | None = None) -> Misread:
        token = self._peek()
        if token.kind == "end":
            return Misread(
                token.at, "Biểu thức bị cụt.", "The expression ends too early.", wanted
            )
        word = token.text.lower()
        small = word if word in KEYWORDS and word != token.text else None
        return Misread(
            token.at,
            f"Không đọc được {token.text!r} ở đây.",
            f"{token.text!r} is not expected here.",
            wanted or small,
        )

"""What is wrong with an expression, and where in it."""

from __future__ import annotations

from dataclasses import dataclass

from services.alerts.domain.vocabulary import Bilingual


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with an expression, where, and what to write instead."""

    line: int
    column: int
    at: int
    message: Bilingual
    suggestion: str | None = None


class ExpressionError(ValueError):
    """An expression that cannot be read or makes no sense; `fault` says where."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(f"{fault.line}:{fault.column}: {fault.message.en}")
        self.fault = fault


class Misread(Exception):
    """A fault at an offset; `located` turns it into an ExpressionError."""

    def __init__(self, at: int, vi: str, en: str, suggestion: str | None = None):
        super().__init__(en)
        self.at = at
        self.vi = vi
        self.en = en
        self.suggestion = suggestion

    def located(self, text: str) -> ExpressionError:
        before = text[: self.at]
        line = before.count("\n") + 1
        column = self.at - (before.rfind("\n") + 1) + 1
        words = Bilingual(self.vi, self.en)
        fault = Fault(line, column, self.at, words, self.suggestion)
        return ExpressionError(fault)

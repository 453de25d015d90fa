"""Rules as they are sent: YAML or JSON, with every fault as a problem document."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from json import JSONDecodeError
from typing import Final

from libs.common import strict_json
from libs.common.problems import (
    Fault,
    Problem,
    Text,
    Unreadable,
    UnsupportedMedia,
    escaped,
    invalid,
    unreadable_json,
)
from services.alerts import rulebook
from services.alerts.domain.rules import Rule
from services.alerts.rule_problems import Problem as Mistake
from services.alerts.rulebook import RuleErrors

YAML: Final = ("application/yaml", "text/yaml", "application/x-yaml", "text/x-yaml")
JSON: Final = "application/json"

_STEP: Final = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
# What stands behind these is one name, however many dots it has.
_NAMED: Final = re.compile(r"(examples\[\d+\]\.given)\.(.+)")


def text_of(body: bytes, content_type: str) -> str:
    """The text of a rule as it was sent; JSON is YAML as well, once its escapes are
    what they stand for. Raises Problem."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == JSON:
        return _of_json(body)
    if kind not in YAML:
        raise UnsupportedMedia("unsupported_media_type", _MEDIA)
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable("not_utf8", _NOT_UTF8) from None


_MEDIA = Text(
    "Gửi quy tắc bằng application/yaml hoặc application/json.",
    "Send a rule as application/yaml or application/json.",
)
_NOT_UTF8 = Text("Văn bản phải là UTF-8.", "The text must be UTF-8.")


def _of_json(body: bytes) -> str:
    try:
        value = strict_json.loads(body)
    except JSONDecodeError as error:
        raise unreadable_json(error.msg) from None
    text = body.decode("utf-8")
    if "\\" not in text:
        return text
    return json.dumps(value, ensure_ascii=False, indent=1)


def read(text: str) -> Rule:
    """The rule of a text that was sent. Raises Problem with every fault."""
    try:
        return rulebook.load_text(text, source="rule")
    except RuleErrors as errors:
        raise unacceptable(errors) from None


@lru_cache(maxsize=2048)
def kept(source: str) -> Rule:
    """The rule of a text that is kept: it was read before and is read once.

    What is asked of new rules is not asked of it again: that may have become more.
    Raises RuleErrors where it cannot be understood any more.
    """
    return rulebook.load_text(source, accepted=True)


def understood(source: str) -> Rule:
    """The same for somebody who asks for it. Raises Problem with every fault."""
    try:
        return kept(source)
    except RuleErrors as errors:
        raise unacceptable(errors) from None


def unacceptable(errors: RuleErrors) -> Problem:
    """422 that says of each fault where it stands and what to write instead."""
    return invalid([_fault(mistake) for mistake in errors.problems])


def _fault(mistake: Mistake) -> Fault:
    return Fault(
        pointer_of(mistake.key),
        "rule",
        Text(mistake.message.vi, mistake.message.en),
        {"line": mistake.line, "column": mistake.column, "hint": mistake.hint},
    )


def pointer_of(key: str) -> str:
    """A JSON pointer to what a key names.

    >>> pointer_of("severity[1].if")
    '/severity/1/if'
    >>> pointer_of("examples[0].given.last_year.rate")
    '/examples/0/given/last_year.rate'
    """
    named = _NAMED.fullmatch(key)
    if named is not None:
        return f"{pointer_of(named[1])}/{escaped(named[2])}"
    steps = (name or index for name, index in _STEP.findall(key))
    return "".join(f"/{escaped(step)}" for step in steps)

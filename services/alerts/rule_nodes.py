"""YAML as rules need it: strict, every value as it is written, every fault in place."""

from __future__ import annotations

import re
import unicodedata
from datetime import date
from enum import StrEnum
from typing import Final, TypeVar

import yaml
from yaml import MappingNode, Node, ScalarNode, SequenceNode

from services.alerts.domain.numerals import rewritten
from services.alerts.domain.vocabulary import Bilingual, Kind, NotAValue, day
from services.alerts.rule_problems import (
    Refused,
    absent,
    not_a_value,
    not_among,
    unknown_key,
)

MAX_BYTES: Final = 64 * 1024
MAX_DEPTH: Final = 16
MAX_TEXT: Final = 2000
MAX_ITEMS: Final = 200

_WHOLE: Final = re.compile(r"[0-9]{1,9}")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufeff]")

Choice = TypeVar("Choice", bound=StrEnum)


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


def composed(text: str) -> Node:
    if len(text.encode("utf-8", "replace")) > MAX_BYTES:
        raise Refused(
            None,
            "",
            f"Tệp lớn hơn {MAX_BYTES} byte.",
            f"The file is larger than {MAX_BYTES} bytes.",
        )
    try:
        node = yaml.compose(text, _Loader)
    except yaml.YAMLError as fault:
        raise _unreadable(fault, text) from None
    if node is None:
        raise Refused(None, "", "Tệp trống.", "The file is empty.")
    return node


_QUOTED_FIRST: Final = re.compile(r"\s*(?:- )?[a-z_]+: +(\"[^\"']*\"[^']+)")


def _unreadable(fault: yaml.YAMLError, text: str) -> Refused:
    mark = getattr(fault, "problem_mark", None)
    place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    why = getattr(fault, "problem", None) or "unreadable"
    # To YAML, a value that begins with a quote ends with the next one.
    line = "".join(text.splitlines()[place[0] - 1 : place[0]])
    begun = _QUOTED_FIRST.fullmatch(line)
    if "\t" in line[: len(line) - len(line.lstrip())] or "'\\t'" in why:
        return Refused(
            None,
            "",
            "YAML không thụt dòng bằng tab; hãy dùng dấu cách.",
            "YAML is not indented by tabs; use spaces.",
            place=place,
        )
    return Refused(
        None,
        "",
        f"YAML sai: {why}.",
        f"This is not YAML: {why}.",
        f"'{begun[1]}'" if begun else None,
        place=place,
    )


def _at_event(event: yaml.Event, vi: str, en: str) -> Refused:
    mark = event.start_mark
    place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    return Refused(None, "", vi, en, place=place)


# Single values


def pairs_of(
    node: Node, key: str, *, form: str | None = None
) -> dict[str, tuple[Node, Node]]:
    if not isinstance(node, MappingNode):
        raise Refused(
            node,
            key,
            "Chỗ này cần các cặp khóa: giá trị.",
            "Pairs of key: value are expected here.",
            form,
        )
    pairs: dict[str, tuple[Node, Node]] = {}
    before: Node | None = None
    for name, value in node.value:
        text = text_of(name, key)
        if before is not None and is_null(value) and _cut_off(name, value):
            raise _cut_by_comma(before, name, key)
        before = value
        if text in pairs:
            raise Refused(
                name,
                f"{key}.{text}" if key else text,
                f"Khóa {text!r} có hai lần.",
                f"The key {text!r} stands here twice.",
            )
        pairs[text] = (name, value)
    return pairs


def _cut_off(name: Node, value: Node) -> bool:
    """Whether a key of `{…}` has neither a value nor a colon."""
    file, end = name.end_mark.buffer or "", name.end_mark.pointer or 0
    return not value.value and file[end : end + 80].lstrip()[:1] in (",", "}")


def _cut_by_comma(before: Node, name: Node, key: str) -> Refused:
    """To YAML, a comma within braces ends a value that has no quotes."""
    file = name.end_mark.buffer or ""
    whole = file[before.start_mark.pointer or 0 : name.end_mark.pointer or 0]
    number = rewritten(whole)
    if number is not None and number[0] == whole:
        whole = number[1]
    quotable = isinstance(before, ScalarNode) and not set(whole) & set('"\\\n')
    return Refused(
        before,
        key,
        f"Dấu phẩy trong {{…}} cắt giá trị trước {name.value!r}; hãy đặt cả giá trị"
        " trong ngoặc kép.",
        f"A comma within {{…}} ends the value before {name.value!r}; put the whole"
        " value in quotes.",
        f'"{whole}"' if quotable else None,
    )


def fields_of(
    node: Node,
    key: str,
    *,
    required: tuple[str, ...] = (),
    optional: tuple[str, ...] = (),
) -> dict[str, Node]:
    form = f"{{{', '.join(f'{name}: …' for name in required)}}}" if required else None
    pairs = pairs_of(node, key, form=form)
    for name, (name_node, _) in pairs.items():
        if name not in required and name not in optional:
            raise unknown_key(name_node, key, name, (*required, *optional))
    for name in required:
        if name not in pairs:
            raise absent(node, f"{key}.{name}")
    return {name: value for name, (_, value) in pairs.items()}


def items_of(
    node: Node, key: str, *, least: int = 1, most: int = MAX_ITEMS
) -> list[Node]:
    if not isinstance(node, SequenceNode) or len(node.value) < least:
        raise Refused(
            node,
            key,
            "Chỗ này cần một danh sách.",
            "A list is expected here.",
            "[…]",
        )
    if len(node.value) > most:
        raise Refused(
            node.value[most],
            key,
            f"Danh sách có quá {most} mục.",
            f"The list has more than {most} items.",
        )
    return list(node.value)


def text_of(node: Node, key: str, *, limit: int | None = MAX_TEXT) -> str:
    if not isinstance(node, ScalarNode) or is_null(node) or not node.value.strip():
        raise Refused(
            node, key, "Chỗ này cần một giá trị.", "A value is expected here."
        )
    if _UNPRINTABLE.search(node.value):
        raise Refused(
            node,
            key,
            "Có ký tự điều khiển; hãy bỏ nó đi.",
            "There is a control character in it; leave it out.",
        )
    if limit is not None and len(node.value) > limit:
        raise Refused(
            node, key, f"Dài quá {limit} ký tự.", f"Longer than {limit} characters."
        )
    return unicodedata.normalize("NFC", node.value)


def whole_of(node: Node, key: str, *, least: int = 0, most: int = 10**9) -> int:
    text = text_of(node, key)
    if not _WHOLE.fullmatch(text) or not least <= int(text) <= most:
        raise Refused(
            node,
            key,
            f"Cần một số nguyên từ {least} đến {most}, không phải {text!r}.",
            f"A whole number from {least} to {most} is expected, not {text!r}.",
        )
    return int(text)


def day_of(node: Node, key: str) -> date:
    text = text_of(node, key)
    try:
        return day(text)
    except NotAValue:
        raise not_a_value(node, key, text, Kind.DATE) from None


def flag_of(node: Node, key: str) -> bool:
    text = text_of(node, key)
    if text not in ("true", "false"):
        raise not_among(node, key, text, ["true", "false"])
    return text == "true"


def choice_of(node: Node, key: str, choices: type[Choice]) -> Choice:
    text = text_of(node, key)
    try:
        return choices(text)
    except ValueError:
        raise not_among(node, key, text, [each.value for each in choices]) from None


def bilingual_of(node: Node, key: str) -> Bilingual:
    fields = fields_of(node, key, required=("vi", "en"))
    return Bilingual(
        text_of(fields["vi"], f"{key}.vi"), text_of(fields["en"], f"{key}.en")
    )


def is_null(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.tag == "tag:yaml.org,2002:null"

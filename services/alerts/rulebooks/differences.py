"""What one version of a rule says otherwise than another, key by key."""

from __future__ import annotations

from collections.abc import Iterator

from yaml import MappingNode

from services.alerts import rule_json
from services.alerts.rule_nodes import composed
from services.alerts.rulebooks.shown import KeyDifference
from services.alerts.rulebooks.texts import understood


def differences(before: str, after: str) -> list[KeyDifference]:
    """The keys whose meaning differs, each with both texts word for word.

    The version differs always and is left out. A key that a text leaves out has none.
    """
    return list(_differences(before, after))


def _differences(before: str, after: str) -> Iterator[KeyDifference]:
    said = rule_json.dump(understood(before)), rule_json.dump(understood(after))
    texts = _texts(before), _texts(after)
    for key in said[0]:
        if key != "version" and said[0][key] != said[1][key]:
            yield KeyDifference(
                key=key, before=texts[0].get(key), after=texts[1].get(key)
            )


def _texts(source: str) -> dict[str, str]:
    """Each key's value as it is written."""
    root = composed(source)
    assert isinstance(root, MappingNode)
    return {
        str(key.value): source[value.start_mark.index : value.end_mark.index].strip()
        for key, value in root.value
    }

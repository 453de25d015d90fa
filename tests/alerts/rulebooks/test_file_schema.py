"""The published JSON Schema takes every rule that loads, and refuses what it can."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fastjsonschema
import pytest
import yaml

from services.alerts.rulebook import RULES
from services.alerts.rulebooks.file_schema import FILE_SCHEMA
from tests.support.world import World

BAD = Path(__file__).parents[2] / "bad_rules"
SEVENTH = {**FILE_SCHEMA, "$schema": "http://json-schema.org/draft-07/schema"}
"""The words that it uses mean the same there, and this validator speaks it."""

MEANT = {
    # Mistakes in what expressions, dates and examples mean, not in their shape.
    "case-reads-a-rate", "chained-comparison", "covered-severity",
    "division", "duplicate-key", "effective-never", "example-does-not-fire",
    "example-is-held", "example-not-a-period", "example-not-a-value",
    "example-unknown-name", "example-without-period", "example-wrong-due",
    "example-wrong-severity", "impossible-severity", "inhibits", "last-severity-never",
    "message-unknown-name", "name-of-another-watch", "never-true", "no-last-severity",
    "not-a-condition", "not-a-day", "percent-against-points", "points-against-percent",
    "regular-expression", "single-equals", "text-order", "three-decimals",
    "unclosed-bracket", "unknown-name", "unknown-parameter", "unknown-unit",
    "unreachable-severity",
}  # fmt: skip
SHAPED = {
    # Mistakes in keys, words and shapes.
    "capital-id", "case-due-by-period", "case-without-group", "due-a-number",
    "due-every-month", "due-every-nothing", "due-every-year", "due-on-a-number", "due-too-late", "english-title-missing", "group-by",
    "inhibits-what", "missing-key", "nothing-due", "nothing-owed-but-due",
    "steps-to-nobody", "two-due-dates", "unknown-key", "unknown-nested-key",
    "unknown-severity", "version-zero", "visibility", "watches-reports",
}  # fmt: skip


class Plain(yaml.SafeLoader):
    """YAML as editors read it for a schema: a day is its text."""


Plain.yaml_implicit_resolvers = {
    first: [(tag, expr) for tag, expr in resolvers if not tag.endswith("timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def tree(file: Path) -> Any:
    return yaml.load(file.read_text("utf-8"), Plain)


@pytest.fixture(scope="module")
def validate() -> Any:
    return fastjsonschema.compile(SEVENTH)


@pytest.mark.parametrize("file", sorted(RULES.glob("*.yaml")), ids=lambda f: f.stem)
def test_every_shipped_rule_satisfies_it(file: Path, validate: Any) -> None:
    validate(tree(file))


@pytest.mark.parametrize("name", sorted(SHAPED))
def test_a_mistake_in_shape_violates_it(name: str, validate: Any) -> None:
    with pytest.raises(fastjsonschema.JsonSchemaValueException):
        validate(tree(BAD / f"{name}.yaml"))


@pytest.mark.parametrize("name", sorted(MEANT))
def test_a_mistake_in_meaning_is_beyond_it(name: str, validate: Any) -> None:
    validate(tree(BAD / f"{name}.yaml"))


@pytest.mark.anyio
async def test_it_is_published(still_world: World) -> None:
    answer = await still_world.admin.get("/v1/rules/schema")

    assert answer.json() == FILE_SCHEMA

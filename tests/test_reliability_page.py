"""docs/reliability.md names tests and faults that there are."""

from __future__ import annotations

import re
from pathlib import Path

from faults.__main__ import FAULTS

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/reliability.md").read_text("utf-8")
CORE = (
    *("F1", "F2", "F3", "F4", "F7", "F9", "F10"),
    *("W1", "W3", "W4", "W5", "W7", "W8", "W9"),
    *("I1", "I3", "I4", "I7", "I9", "I12", "I14", "S1", "S5", "L1", "L3"),
)


def test_each_of_the_25_has_a_row_with_a_test_that_is_there() -> None:
    rows = dict(re.findall(r"^\| `([A-Z]\d+)` \|(.*)$", PAGE, re.MULTILINE))
    assert set(CORE) <= set(rows)
    for name in CORE:
        named = re.findall(r"`([a-z_/]+\.py)::(\w+)`", rows[name])
        assert named, name
        for file, test in named:
            text = (ROOT / "tests" / file).read_text("utf-8")
            assert f"def {test}(" in text, f"{name}: {file}::{test}"


def test_each_fault_that_can_be_run_is_on_the_page() -> None:
    assert set(re.findall(r"`faults ([A-Z]\d+(?:-points)?)", PAGE)) == set(FAULTS)

"""`python -m faults [NAME …]`: one JSON line for each value; 1 when one does not pass.

A number after a name is how often or for how many seconds: `F1 5`, `F4 10`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

from faults import api, database, kills, load, workers
from faults.stage import Result

FAULTS: dict[str, Callable[..., Iterator[Result]]] = {
    "F1": kills.random_kills,
    "F1-points": kills.crash_points,
    "F2": kills.asked_to_stop,
    "F3": database.restarts,
    "F4": database.away,
    "F7": workers.stopped,
    "F9": workers.wrong_clocks,
    "F10": database.held_back,
    "I12": api.asked,
    "L1": load.phases,
    "L3": workers.bad_company,
}


def main(words: list[str]) -> int:
    """Run the named faults, or all."""
    asked: list[tuple[str, list[int]]] = []
    for word in words:
        if word.isdecimal() and asked:
            asked[-1][1].append(int(word))
        elif word in FAULTS:
            asked.append((word, []))
        else:
            print(f"no fault {word!r}: {', '.join(FAULTS)}", file=sys.stderr)
            return 2
    passed = True
    for name, numbers in asked or [(name, []) for name in FAULTS]:
        given: list[Any] = numbers
        for result in FAULTS[name](*given):
            print(json.dumps(result.line(), ensure_ascii=False), flush=True)
            passed = passed and result.ok
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

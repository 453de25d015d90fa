"""The vocabulary of docs/rules.md, made from the code that rules are read with.

`python -m tests.support.handbook` writes it into the page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from services.alerts.domain.watching import WORDS, Watch

PAGE = Path(__file__).parents[2] / "docs" / "rules.md"
_PART = re.compile(r"(<!-- vocabulary: [^>]*-->\n).*(<!-- end -->)", re.DOTALL)


def written() -> str:
    """The page with its vocabulary as the code has it."""
    return _PART.sub(
        lambda found: found[1] + "\n".join(_tables()) + "\n" + found[2],
        PAGE.read_text("utf-8"),
    )


def _tables() -> Iterator[str]:
    for watch in Watch:
        yield f"\n### `watches: {watch}`\n"
        yield "| name | kind | | |"
        yield "|---|---|---|---|"
        for word in WORDS[watch].values():
            says = word.says
            yield f"| `{word.name}` | {word.kind} | {says.en} | {says.vi} |"


if __name__ == "__main__":
    PAGE.write_text(written(), "utf-8")

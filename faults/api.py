"""I12: whatever the document allows, asked of every operation very often."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from faults.stage import Result


def asked(examples: int = 1000) -> Iterator[Result]:
    """The suite's own test, with so many examples for each operation."""
    began = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-q", "tests/test_whole_api.py"]
    environment = {**os.environ, "DONDOC_TEST_EXAMPLES": str(examples)}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True)
    told: dict[str, Any] = {
        "examples": examples,
        "seconds": round(time.monotonic() - began),
    }
    if ended.returncode:
        told["said"] = ended.stdout[-4000:]
    yield Result(
        "I12 failed", ended.returncode, "code", "0", not ended.returncode, told
    )

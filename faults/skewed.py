"""`dondoc` in a process whose clock is wrong by so many seconds, and never steady.

    python -m faults.skewed SECONDS work all

Each second it jumps: one second forward, one back, by turns.
"""

from __future__ import annotations

import sys
import time


def skew(seconds: float) -> None:
    """From now on this process is told the wrong time."""
    right, right_ns = time.time, time.time_ns

    def wrong_by() -> float:
        return seconds + int(time.monotonic()) % 2

    time.time = lambda: right() + wrong_by()
    time.time_ns = lambda: right_ns() + int(wrong_by() * 1e9)


if __name__ == "__main__":
    skew(float(sys.argv.pop(1)))
    from services.__main__ import main

    main()

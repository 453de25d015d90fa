"""`dondoc` in a process whose clock is wrong by so many seconds.

python -m faults.skewed SECONDS work all
"""

from __future__ import annotations

import sys
import time


def skew(seconds: float) -> None:
    """From now on this process is told the wrong time."""
    right, right_ns = time.time, time.time_ns
    time.time = lambda: right() + seconds
    time.time_ns = lambda: right_ns() + int(seconds * 1e9)


if __name__ == "__main__":
    skew(float(sys.argv.pop(1)))
    from services.__main__ import main

    main()

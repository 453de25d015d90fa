"""Many `dondoc`s, one after the other, of which none has to import anything again.

    python -m faults.brood

Each line of input is a point to be killed at, or empty. It forks one that serves, prints
its process id, and once it has ended its exit code.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import IO

from faults.crashing import arm


def main() -> None:
    """Serve once for each line of input."""
    from services.__main__ import main as dondoc

    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            if line.strip():
                arm(line.strip())
            sys.argv = ["dondoc", "serve", "all"]
            dondoc()
            os._exit(0)
        _say(child)
        _say(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def _say(number: int) -> None:
    # Not by print: what a child has in its buffer would be said twice.
    os.write(1, f"{number}\n".encode())


class Brood:
    """What is asked of that process: to serve, and how it ended."""

    def __init__(self, environment: dict[str, str], log: IO[bytes]) -> None:
        self._log, self.pid = log, 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "faults.brood"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        )

    def serve(self, point: str = "") -> int:
        """Begin another; its process id."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{point}\n".encode())
        self._process.stdin.flush()
        self.pid = self._number()
        return self.pid

    def ended(self) -> int:
        """Wait for its end; the exit code, negative for a signal."""
        self.pid, code = 0, self._number()
        return code

    def _number(self) -> int:
        assert self._process.stdout is not None
        while True:
            line = self._process.stdout.readline()
            if line.strip().removeprefix(b"-").isdigit():
                return int(line)
            if not line:
                raise AssertionError("it ended by itself")

    def close(self, signal: int) -> None:
        """End the one that serves, if any, and all of it."""
        if self.pid:
            os.kill(self.pid, signal)
        self._process.communicate(timeout=40)
        self._log.close()


if __name__ == "__main__":
    main()

"""The engine's worker as its owner sees it: asked in batches, replaced when it dies."""

from __future__ import annotations

import asyncio
import fcntl
import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

# By its path and with -P it imports nothing of ours, so that a new one stands ready
# in a tenth of the time that our own modules would take it.
WORKER: Final = (sys.executable, "-P", str(Path(__file__).with_name("worker.py")))

_LONGEST_LINE: Final = 64 * 1024**2
_LEAVING: Final = 2.0
_REMEMBERED: Final = 10_000
_PIPE: Final = 1024**2


class WorkerDied(Exception):
    """The worker crashed, hung or talked nonsense, and has been ended."""


class EngineMissing(Exception):
    """durable-rules is not installed, or was built for another Python."""


class _Rules(dict[str, tuple[int, ...]]):
    """The rules that an answer names, read once for all answers that are the same."""

    def __missing__(self, indexes: str) -> tuple[int, ...]:
        if len(self) >= _REMEMBERED:
            self.clear()
        named = {int(index) for index in indexes.split(",") if index}
        rules = self[indexes] = tuple(sorted(named))
        return rules


class Worker:
    """One running worker process with its rules loaded."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._requests = process.stdin
        self._replies = process.stdout
        self._sent = 0
        self._answered = 0
        self._rules = _Rules()
        _widen(process.stdin)

    @classmethod
    async def start(
        cls, command: Sequence[str], shards: Sequence[str], *, deadline: float
    ) -> Worker:
        """Start a process and load the rules. Raises EngineMissing or WorkerDied."""
        worker = cls(
            await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=_LONGEST_LINE,
            )
        )
        worker._write({"shards": list(shards)})
        hello = await worker._reply(deadline)
        if "missing" in hello:
            await worker.kill()
            raise EngineMissing(str(hello["missing"]))
        return worker

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, facts: Sequence[str]) -> None:
        """Hand over a batch without waiting; `answer` gives the answers in order."""
        self._sent += 1
        block = "\n".join(facts).encode()
        self._write({"batch": self._sent, "bytes": len(block)}, block)

    async def answer(self, count: int, *, deadline: float) -> list[tuple[int, ...]]:
        """The rules that match each fact of the oldest batch without an answer."""
        reply = await self._reply(deadline)
        self._answered += 1
        matched = reply.get("matched")
        if reply.get("batch") != self._answered or not isinstance(matched, list):
            raise await self._died()
        try:
            answers = list(map(self._rules.__getitem__, matched))
        except (TypeError, AttributeError, ValueError):
            raise await self._died() from None
        if len(answers) != count:
            raise await self._died()
        return answers

    async def stop(self) -> None:
        """Let it leave by closing its input; end it if it does not."""
        with suppress(OSError):
            self._requests.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LEAVING):
                await self._process.wait()
        await self.kill()

    async def kill(self) -> None:
        """End it, collect it and close its pipes: nothing is left behind."""
        with suppress(ProcessLookupError):
            self._process.kill()
        with suppress(OSError):
            self._requests.close()
        # What it still had to say must be read, or its pipe stays open.
        while await self._replies.read(1 << 16):
            pass
        await self._process.wait()
        with suppress(OSError):
            await self._requests.wait_closed()

    def _write(self, header: dict[str, object], block: bytes = b"") -> None:
        with suppress(OSError):  # a dead reader is noticed where its answer fails
            self._requests.write(json.dumps(header).encode() + b"\n" + block)

    async def _reply(self, deadline: float) -> dict[str, object]:
        try:
            async with asyncio.timeout(deadline):
                line = await self._replies.readline()
            reply = json.loads(line)
        except (TimeoutError, ValueError, OSError):
            raise await self._died() from None
        except BaseException:
            # A half-read answer would be taken for the next batch's.
            await asyncio.shield(self.kill())
            raise
        if not isinstance(reply, dict):
            raise await self._died()
        return reply

    async def _died(self) -> WorkerDied:
        await self.kill()
        return WorkerDied(f"worker {self.pid} ended with {self._process.returncode}")


def _widen(requests: asyncio.StreamWriter) -> None:
    """Let some batches wait in the pipe, where the system can: the worker takes the
    next while this process is busy. Elsewhere it waits for us now and then."""
    pipe = requests.transport.get_extra_info("pipe")
    size = getattr(fcntl, "F_SETPIPE_SZ", None)
    if pipe is not None and size is not None:
        with suppress(OSError):
            fcntl.fcntl(pipe, size, _PIPE)

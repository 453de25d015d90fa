"""`dondoc` as an operator runs it: processes of their own, what they say, their end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import httpx

DONDOC = Path(sys.executable).with_name("dondoc")
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Process:
    """One running `dondoc`; its output and its log are files that can be read."""

    child: subprocess.Popen[bytes]
    output: Path
    errors: Path

    def said(self, start: str, *, seconds: float = 60) -> str:
        """The first line of output that starts so, once it is there."""

        def line() -> str | None:
            # What came last may be half a line.
            lines = self.output.read_text("utf-8").split("\n")[:-1]
            found = [one for one in lines if one.startswith(start)]
            if not found and self.child.poll() is not None:
                raise AssertionError(f"it ended with {self.child.returncode}: {self}")
            return found[0] if found else None

        return until(line, seconds=seconds, or_say=lambda: f"no {start!r}: {self}")

    def address(self) -> str:
        """Where it serves, once it is ready."""
        self.said("ready")
        return self.said("dondoc at ").removeprefix("dondoc at ").partition(",")[0]

    def log(self) -> list[dict[str, Any]]:
        """Its log lines so far."""
        lines = self.errors.read_text("utf-8").split("\n")[:-1]
        return [json.loads(line) for line in lines if line.startswith("{")]

    def end(self, *, seconds: float = 20) -> int:
        """Ask it to stop (SIGTERM); its exit code."""
        self.child.terminate()
        return self.child.wait(seconds)

    def family(self) -> list[int]:
        """It and everything that descends from it, parents first."""
        members = [self.child.pid]
        listed = subprocess.run(
            ["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True
        )
        pairs = [tuple(map(int, line.split())) for line in listed.stdout.splitlines()]
        for member in members:
            members += [pid for pid, parent in pairs if parent == member]
        return members

    def kill(self) -> None:
        """kill -9 it and everything that descends from it."""
        if self.child.poll() is None:
            for pid in self.family():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self.child.wait()

    def __str__(self) -> str:
        said = self.output.read_text("utf-8") + self.errors.read_text("utf-8")
        return f"{self.child.args}\n{said[-4000:]}"


@contextmanager
def started(*words: str, within: Path, **environment: str) -> Iterator[Process]:
    """Start `dondoc` in a directory of its own; nothing of it outlives the block."""
    within.mkdir(parents=True, exist_ok=True)
    output, errors = within / "output", within / "errors"
    with output.open("wb") as out, errors.open("wb") as err:
        child = subprocess.Popen(
            [DONDOC, *words],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            cwd=within,
            env={**os.environ, **environment},
            start_new_session=True,
        )
    process = Process(child, output, errors)
    try:
        yield process
    finally:
        process.kill()


def finished(*words: str, within: Path, **environment: str) -> str:
    """Run `dondoc` to its end, which must be a good one; its output."""
    with started(*words, within=within, **environment) as process:
        code = process.child.wait(120)
        assert code == 0, f"{code}: {process}"
        return process.output.read_text("utf-8")


def admin_key(within: Path, **environment: str) -> str:
    """An administrator's key, made on the command line."""
    words = ["keys", "create", "--name", "t", "--role", "admin", "--under", "VN"]
    return finished(*words, within=within, **environment).splitlines()[-1]


def client(address: str, key: str) -> httpx.Client:
    """Asks over real HTTP with this key."""
    return httpx.Client(
        base_url=address,
        headers={"authorization": f"Bearer {key}"},
        timeout=60,
        trust_env=False,
    )


@contextmanager
def database(server: str, name: str, *, template: str = "template1") -> Iterator[str]:
    """A database of this name for as long as the block runs; its URL."""
    asyncio.run(_execute(server, f"CREATE DATABASE {name} TEMPLATE {template}"))
    try:
        yield f"{server.rpartition('/')[0]}/{name}"
    finally:
        asyncio.run(_execute(server, f"DROP DATABASE {name} WITH (FORCE)"))


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def until(
    ask: Callable[[], Found | None],
    *,
    seconds: float = 20,
    or_say: Callable[[], str] = lambda: "it never came true",
) -> Found:
    """Ask again and again until the answer is true; fail when it never is."""
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < deadline, or_say()
        time.sleep(0.02)
    return answer

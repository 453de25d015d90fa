"""A real server in a process of its own on a fresh durable database, for measuring."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from libs.common import postgres

SECRET = "YmVuY2hlcyBvZiBkb25kb2MgdXNlIHRoaXMgdmFsdWU="
NOW = "2022-03-08T08:00:00+07:00"


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the server answers, with which key, over which database."""

    address: str
    key: str
    url: str
    pid: int

    def memory_mb(self) -> int:
        """Resident memory of the serving process (Linux)."""
        return self._memory("VmRSS")

    def peak_memory_mb(self) -> int:
        """The most that it ever was."""
        return self._memory("VmHWM")

    def _memory(self, line: str) -> int:
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(rf"{line}:\s+(\d+)", status)
        return int(found[1]) // 1024 if found else 0


@contextmanager
def database() -> Iterator[str]:
    """An embedded server with fsync on, gone afterwards."""
    data = Path(tempfile.mkdtemp(prefix="dondoc-bench-"))
    server = postgres.ensure(data / "postgres")
    try:
        yield server.url
    finally:
        server.stop()
        postgres.remove(data / "postgres")
        shutil.rmtree(data, ignore_errors=True)


@asynccontextmanager
async def serving(url: str, **settings: str) -> AsyncIterator[Stage]:
    """`dondoc serve all` on this database, with further variables of environment."""
    environment = {
        **os.environ,
        "DATABASE_URL": url,
        "DONDOC_ENV": "test",
        "DONDOC_NOW": NOW,
        "DONDOC_PORT": "0",
        "DONDOC_SECRET": SECRET,
        "DONDOC_ALLOW_NETWORKS": "127.0.0.1/32",
        **settings,
    }
    key = await _output(environment, *_CREATE)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services", "serve", "all"),
        env=environment,
        stdout=PIPE,
        stderr=DEVNULL,
    )
    assert process.stdout is not None
    try:
        line = (await process.stdout.readline()).decode()
        await process.stdout.readline()  # ready
        address = line.split(",")[0].removeprefix("dondoc at ").strip()
        yield Stage(address, key, url, process.pid)
    finally:
        process.terminate()
        await process.wait()


_CREATE = ("keys", "create", "--name", "bench", "--role", "admin", "--under", "VN")


async def _output(environment: dict[str, str], *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services", *arguments), env=environment, stdout=PIPE
    )
    output, _ = await process.communicate()
    return output.decode().strip().splitlines()[-1]

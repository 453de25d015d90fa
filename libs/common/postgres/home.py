"""The directory of one server: its files, its locks, the processes that live there."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from libs.common.postgres.account import run
from libs.common.postgres.locks import held, take

NAME = "dondoc"  # of the role and of the database
HOST = "127.0.0.1"

STARTING = 120.0  # seconds; recovery after a crash may take a while


@dataclass(frozen=True, slots=True)
class Home:
    """The files of one server, and what they tell about it."""

    path: Path

    @property
    def cluster(self) -> Path:
        """PostgreSQL's own directory; as root it may be a link into the shelter."""
        return (self.path / "cluster").resolve()

    @property
    def log(self) -> Path:
        return self.path / "postgres.log"

    def url(self) -> str:
        return f"postgresql://{NAME}:{self.password()}@{HOST}:{self.port()}/{NAME}"

    def port(self) -> int:
        """Where the server listens; 0 before the first start."""
        with contextlib.suppress(OSError, ValueError):
            return int((self.path / "port").read_text())
        return 0

    def remember_port(self, port: int) -> None:
        write(self.path / "port", f"{port}\n")

    def password(self) -> str:
        return (self.path / "password").read_text().strip()

    def has_owner(self) -> bool:
        return held(self.path / "owner.lock")

    def server_lives(self) -> bool:
        """Whether any process of the server is there, be it only a last backend."""
        return held(self.path / "server.lock")

    def postmaster(self) -> int | None:
        """The server's first process by its pid file, if that is no stale one."""
        try:
            pid = int((self.cluster / "postmaster.pid").read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return None
        return pid if _lives_in(pid, self.cluster) else None

    @contextlib.contextmanager
    def starting(self) -> Iterator[None]:
        """Alone in starting, joining or removing the server of this directory."""
        self.path.mkdir(parents=True, exist_ok=True)
        descriptor = take(self.path / "start.lock", 2 * STARTING)
        try:
            yield
        finally:
            os.close(descriptor)

    def delete(self) -> None:
        """Everything but the lock that others may be waiting for."""
        if (self.path / "cluster").is_symlink():
            shutil.rmtree(self.cluster.parent, ignore_errors=True)
        for path in self.path.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name != "start.lock":
                path.unlink()


def write(path: Path, text: str) -> None:
    """Replace the file whole; only its owner may read it, from the first byte on."""
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def residents(cluster: Path) -> list[int]:
    """All processes of this directory's server; known on Linux only."""
    numbers = (entry.name for entry in Path("/proc").glob("[0-9]*"))
    return [int(number) for number in numbers if _lives_in(int(number), cluster)]


def _lives_in(pid: int, cluster: Path) -> bool:
    """Whether this process is a postgres of this directory; a zombie is not."""
    if Path("/proc/self").exists():
        process = Path("/proc", str(pid))
        try:
            named = (process / "comm").read_text().startswith("postgres")
            return named and (process / "cwd").readlink() == cluster
        except OSError:
            return False
    listed = run(["ps", "-o", "stat=,command=", "-p", str(pid)]).stdout
    return str(cluster) in listed and not listed.lstrip().startswith("Z")

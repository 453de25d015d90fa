"""The account that runs the server, which PostgreSQL does not let root be."""

from __future__ import annotations

import contextlib
import os
import pwd
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from libs.common.postgres.unavailable import PostgresUnavailable

NO_SETTINGS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Account:
    uid: int
    gid: int


def account_for(cluster: Path) -> Account | None:
    """Whom the server runs as when we are root, which PostgreSQL refuses to be."""
    owner = cluster.stat().st_uid if cluster.exists() else None
    if os.geteuid() != 0:
        if owner not in (None, os.geteuid()):
            raise PostgresUnavailable(
                f"{cluster} belongs to user {owner}: run dondoc as that user, "
                "or set DONDOC_DATA to another directory."
            )
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwuid(owner) if owner else pwd.getpwnam(name)
            return Account(entry.pw_uid, entry.pw_gid)
    raise PostgresUnavailable(
        "PostgreSQL does not run as root and there is no account 'postgres' or "
        "'nobody' to run it: start dondoc as another user, or set DATABASE_URL."
    )


def can_enter(directory: Path, account: Account) -> bool:
    tried = run(["/bin/sh", "-c", 'cd -- "$1"', "sh", directory], account)
    return tried.returncode == 0


def run(
    command: Sequence[str | Path],
    account: Account | None = None,
    *,
    extra: Mapping[str, str] = NO_SETTINGS,
    text: str = "",
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command],
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
        input=text,
        capture_output=True,
        text=True,
        errors="replace",
        env={**environment(), **extra},
        cwd="/",  # ours may be closed to the account
        check=False,
    )


def environment() -> dict[str, str]:
    """Without PGDATA, PGOPTIONS and others that would change what we ask for."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}


def give(tree: Path, account: Account) -> None:
    for path in (tree, *tree.rglob("*")):
        os.chown(path, account.uid, account.gid, follow_symlinks=False)

"""Where root keeps what the unprivileged account could not reach elsewhere."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import shutil
from pathlib import Path

from libs.common.postgres.account import Account, can_enter, give
from libs.common.postgres.home import Home
from libs.common.postgres.unavailable import PostgresUnavailable

SHELTER = Path("/var/lib/dondoc")


def sheltered_copy(binaries: Path) -> Path:
    """Copy the binaries, once, to a place that belongs to root and all may read."""
    prefix = binaries.parent
    package = prefix.parent
    with (binaries / "postgres").open("rb") as program:
        content = hashlib.file_digest(program, "sha256").hexdigest()
    copy = _shelter() / f"binaries-{content[:16]}"
    if not copy.exists():
        fresh = copy.with_name(f"{copy.name}.{secrets.token_hex(4)}")
        shutil.copytree(prefix, fresh / package.name / prefix.name, symlinks=True)
        # The programs find libpq through a path relative to themselves.
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, fresh / libraries.name, symlinks=True)
        _open_to_readers(fresh)
        with contextlib.suppress(OSError):  # somebody else was quicker
            fresh.rename(copy)
        shutil.rmtree(fresh, ignore_errors=True)
    return copy / package.name / prefix.name / binaries.name


def settle(home: Home, account: Account | None) -> None:
    """See that the account can reach the cluster, new or old: else shelter it."""
    if account is None or can_enter(home.cluster.parent, account):
        return
    shelter = _shelter() / f"cluster-{secrets.token_hex(8)}"
    _make_enterable(shelter)
    link = home.path / "cluster"
    if link.exists():
        shutil.move(home.cluster, shelter / "cluster")
        give(shelter / "cluster", account)
    link.unlink(missing_ok=True)
    link.symlink_to(shelter / "cluster")


def _shelter() -> Path:
    if not SHELTER.exists():
        _make_enterable(SHELTER)
    status = SHELTER.stat()
    if status.st_uid != 0 or status.st_mode & 0o022:
        raise PostgresUnavailable(f"{SHELTER} must belong to root and to nobody else.")
    return SHELTER


def _make_enterable(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o755)  # whatever our umask says


def _open_to_readers(tree: Path) -> None:
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            executable = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if executable else 0o644)

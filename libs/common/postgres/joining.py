"""Joining the server of a directory: the one that runs, else one that we start."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from libs.common.postgres.account import account_for
from libs.common.postgres.binaries import bin_dir, binaries_for
from libs.common.postgres.cluster import create, made_by, provide_database
from libs.common.postgres.home import STARTING, Home, residents
from libs.common.postgres.locks import POLL, take, wait
from libs.common.postgres.postmaster import (
    end,
    end_child,
    listen,
    ready,
    send,
)
from libs.common.postgres.shelter import settle
from libs.common.postgres.unavailable import PostgresUnavailable


@dataclass(frozen=True, slots=True)
class Owning:
    """What makes this process the owner: the child, and a lock while it lives."""

    child: subprocess.Popen[bytes]
    claim: int
    process: int = field(default_factory=os.getpid)

    def end(self) -> None:
        if os.getpid() == self.process:  # a fork of ours owns nothing
            end_child(self.child)

    def release(self) -> None:
        os.close(self.claim)


def join(home: Home, settings: Mapping[str, str]) -> tuple[str, Owning | None]:
    with home.starting():
        if _answering(home):
            return home.url(), None
        claim = take(home.path / "owner.lock", 5.0)
        try:
            child = _start(home, settings)
        except BaseException:
            os.close(claim)
            raise
        return home.url(), Owning(child, claim)


def _answering(home: Home) -> bool:
    """Wait for a server that is on its way, up or down: True when it answers.

    One without a living owner is on its way down wherever the kernel tells it
    so. Elsewhere we send it there: nobody would ever stop it.
    """
    if not home.server_lives():
        return False
    binaries = bin_dir()
    crashed = time.monotonic() + 1.0
    deadline = time.monotonic() + STARTING
    while home.server_lives():
        if not home.has_owner():
            dismiss(home)
        elif ready(binaries, home.port()):
            return True
        elif time.monotonic() > crashed and home.postmaster() is None:
            dismiss(home)
        elif time.monotonic() > deadline:
            raise PostgresUnavailable(f"The server does not answer; see {home.log}.")
        time.sleep(POLL)
    return False


def _start(home: Home, settings: Mapping[str, str]) -> subprocess.Popen[bytes]:
    if pid := home.postmaster():
        raise PostgresUnavailable(
            f"PostgreSQL (process {pid}) already runs on {home.cluster} and was not "
            "started by dondoc: stop it first."
        )
    account = account_for(home.cluster)
    binaries = binaries_for(account, made_by(home.cluster))
    settle(home, account)
    if not home.cluster.exists():
        create(home, binaries, account, durable=settings.get("fsync") != "off")
    # Left behind by a crash; its number may by now be some other process.
    (home.cluster / "postmaster.pid").unlink(missing_ok=True)
    child = listen(home, binaries, account, settings)
    try:
        provide_database(home, binaries)
    except BaseException:
        end_child(child)
        raise
    return child


def dismiss(home: Home) -> None:
    """End a server that is not our child, or what is left of it."""
    if pid := home.postmaster():
        end(pid, lambda: not home.server_lives())
    # Without their postmaster, backends go once their query is done. The next
    # server cannot start until then, and their work is lost in any case.
    if not wait(lambda: not home.server_lives(), 1.0):
        for pid in residents(home.cluster):
            send(pid, signal.SIGKILL)
        wait(lambda: not home.server_lives(), STARTING)

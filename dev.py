#!/usr/bin/env python3
"""Sets dondoc up on first use, then runs it, its tests, its checks or its benches.

Old Pythons must be able to read this file, to say in one line that they are too old.
"""
# ruff: noqa: E402  (that line comes before the imports they do not have)

import sys

USAGE = """\
usage: python3 dev.py COMMAND [ARGUMENTS]

  demo           start everything on a fresh database and play the letters
  up             start everything and keep the data; prints address and first key
  test           run the tests (arguments go to pytest)
  check          format, lint, types and import contracts
  bench [NAME]   measure what must be reached
  faults [NAME]  break things, and count what is lost

The first run makes .venv from the lock files; later runs start at once."""


def complaint(version: "tuple[int, ...]", platform: str) -> "str | None":
    """Why dondoc cannot run here, in one line, or None."""
    if platform == "win32":
        return "dondoc needs Linux or macOS; on Windows, use WSL."
    if not (3, 11) <= version[:2] < (3, 14):
        have = ".".join(str(part) for part in version[:3])
        return "dondoc needs Python 3.11, 3.12 or 3.13; this is Python " + have + "."
    return None


if complaint(sys.version_info[:3], sys.platform):
    sys.exit(complaint(sys.version_info[:3], sys.platform))

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

# Raise it when a change to the steps below asks for a new .venv everywhere.
RECIPE = 1

NO_COMPILER = "there is no C compiler"


# --- what is there ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tree:
    """A checkout of dondoc, and where its environment is."""

    root: Path

    @property
    def venv(self) -> Path:
        return self.root / ".venv"

    @property
    def python(self) -> Path:
        return self.venv / "bin" / "python"

    @property
    def marker(self) -> Path:
        """Says from what .venv was made; written last, so it means complete."""
        return self.venv / "dondoc.json"

    @property
    def lock(self) -> Path:
        """Held while .venv changes; its text stays when a setup is cut short."""
        return self.root / ".venv.lock"

    def home(self) -> str:
        """What makes a .venv useless when it changes: the scripts in it name paths."""
        return f"{RECIPE} {platform.python_version()} {platform.machine()} {self.root}"

    def fingerprint(self) -> str:
        """What makes a .venv out of date when it changes."""
        total = hashlib.sha256(self.home().encode())
        for name in ("requirements.lock", "requirements-engine.lock", "pyproject.toml"):
            total.update(hashlib.sha256((self.root / name).read_bytes()).digest())
        return total.hexdigest()

    def marked(self) -> dict[str, str]:
        try:
            marked: dict[str, str] = json.loads(self.marker.read_text())
        except (OSError, ValueError):
            return {}
        return marked

    def ready(self) -> bool:
        marked = self.marked()
        may_get_engine = marked.get("engine") == NO_COMPILER and compiler()
        return (
            marked.get("fingerprint") == self.fingerprint()
            and self.python.exists()  # a dead link when that Python was removed
            and not may_get_engine
        )

    def usable(self) -> bool:
        """Whether an incomplete .venv can be completed rather than made anew."""
        marked = self.marked()
        if marked:
            return marked.get("home") == self.home() and self.python.exists()
        asked = "import platform; print(platform.python_version())"
        return answer(self.python, "-c", asked).strip() == platform.python_version()


def answer(*words: object) -> str:
    """What a program prints; nothing when it fails."""
    command = [str(word) for word in words]
    try:
        return subprocess.run(
            command, capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""


def compiler() -> str | None:
    return os.environ.get("CC") or shutil.which("gcc") or shutil.which("cc")


# --- setting up ---------------------------------------------------------------


class StepFailed(Exception):
    """A step of the setup failed; the message is what its program said."""


@dataclass(frozen=True, slots=True)
class Installer:
    """How packages come in: with uv, or with what every Python brings."""

    name: str
    create: Sequence[object]
    install: Sequence[object]
    uncached: str


def with_uv(tree: Tree, uv: str) -> Installer:
    return Installer(
        name="uv",
        create=[uv, "venv", "--quiet", "--python", base_python(), tree.venv],
        install=[uv, "pip", "install", "--quiet", "--python", tree.python],
        uncached="--no-cache",
    )


def with_pip(tree: Tree) -> Installer:
    quiet = ["--quiet", "--no-input", "--disable-pip-version-check"]
    return Installer(
        name="pip",
        create=[base_python(), "-m", "venv", tree.venv],
        # Compiled when first used: all of it at once takes a quarter longer.
        install=[tree.python, "-m", "pip", "install", "--no-compile", *quiet],
        uncached="--no-cache-dir",
    )


def base_python() -> str:
    """The Python behind this one: .venv may be running us, and may have to go."""
    return str(getattr(sys, "_base_executable", "") or sys.executable)


def prepare(tree: Tree) -> None:
    """Make .venv what the lock files ask for; instant when it is."""
    if tree.ready():
        return
    with alone(tree) as lock:
        if not tree.ready():  # somebody else may have done it meanwhile
            set_up(tree, lock)


@contextlib.contextmanager
def alone(tree: Tree) -> Iterator[int]:
    with tree.lock.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another dev.py is setting up .venv: waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def set_up(tree: Tree, lock: int) -> None:
    started = time.monotonic()
    cut_short = os.fstat(lock).st_size > 0
    if tree.venv.exists() and (cut_short or not tree.usable()):
        shutil.rmtree(tree.venv)
    tree.marker.unlink(missing_ok=True)
    os.write(lock, b"unfinished\n")

    installer = install_all(tree, lock)
    engine = install_engine(tree, lock, installer)

    marked = {"home": tree.home(), "fingerprint": tree.fingerprint(), "engine": engine}
    tree.marker.write_text(json.dumps(marked, indent=1))
    os.ftruncate(lock, 0)
    say(f"ready in {time.monotonic() - started:.1f} s")


def install_all(tree: Tree, lock: int) -> Installer:
    try:
        installer = install_packages(tree, lock)
        with step("installing dondoc"):
            itself = ["--no-deps", "--no-build-isolation", "-e", tree.root]
            run([*installer.install, *itself], lock)
    except StepFailed as failure:
        sys.exit(f"{failure}\nsetting up .venv failed; run the same command again.")
    return installer


def install_packages(tree: Tree, lock: int) -> Installer:
    """With uv if it is there and able, else with pip."""
    uv = shutil.which("uv")
    if uv:
        try:
            return install_with(with_uv(tree, uv), tree, lock)
        except StepFailed as failure:
            say(f"uv cannot do it, so pip will: {last_line(failure)}")
            shutil.rmtree(tree.venv, ignore_errors=True)
    return install_with(with_pip(tree), tree, lock)


def install_with(installer: Installer, tree: Tree, lock: int) -> Installer:
    if not tree.python.exists():
        if installer.name == "pip" and find_spec("ensurepip") is None:
            sys.exit("Python's venv is missing: apt-get install python3-venv (or uv).")
        with step(f"making .venv with Python {platform.python_version()}"):
            run(installer.create, lock)
    if installer.name == "pip" and not has_pip(tree):  # uv makes none
        run([tree.python, "-m", "ensurepip"], lock)
    with step(f"installing packages with {installer.name}"):
        locked = ["--require-hashes", "-r", tree.root / "requirements.lock"]
        run([*installer.install, *locked], lock)
    return installer


def has_pip(tree: Tree) -> bool:
    return any(tree.venv.glob("lib/python*/site-packages/pip/__main__.py"))


def install_engine(tree: Tree, lock: int, installer: Installer) -> str:
    """Build durable-rules; "ok", or why dondoc goes without it, which it can."""
    if imports_engine(tree):
        return "ok"
    why = build_engine(tree, lock, installer)
    if why is None:
        return "ok"
    say(f"durable-rules is left out, dondoc decides by its native reading: {why}")
    return why


def build_engine(tree: Tree, lock: int, installer: Installer) -> str | None:
    if not compiler():
        return NO_COMPILER
    locked = ["--require-hashes", "-r", tree.root / "requirements-engine.lock"]
    source = ["--no-deps", "--no-build-isolation", "--no-binary", "durable-rules"]
    # A wheel that was once built without our flags must not come from the cache.
    command = [*installer.install, installer.uncached, *source, *locked]
    try:
        with step("building durable-rules"):
            run(command, lock, extra=engine_flags())
    except StepFailed as failure:
        log = tree.venv / "durable-rules.log"
        log.write_text(f"{failure}\n")
        return f"it did not build, see {log.relative_to(tree.root)}"
    return None if imports_engine(tree) else "it was built, but its import failed"


def engine_flags() -> dict[str, str]:
    """Its setup.py honours these two only. Python 3.13 lacks PyEval_CallObject."""
    name = "gcc" if shutil.which("gcc") else "cc"
    return {
        "CC": os.environ.get("CC") or f"{name} -O2",
        "CPPFLAGS": "-DPyEval_CallObject=PyObject_CallObject",
    }


def imports_engine(tree: Tree) -> bool:
    """A build that ended well proves nothing: only the import does."""
    asked = "import durable_rules_engine; print('it is here')"
    return answer(tree.python, "-W", "ignore", "-c", asked) != ""


def run(
    command: Sequence[object], lock: int, *, extra: Mapping[str, str] | None = None
) -> None:
    """Run one program of the setup in silence; what it says matters when it fails.

    It inherits the lock: should we be killed, nobody starts before it has ended.
    """
    done = subprocess.run(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, "UV_PYTHON_DOWNLOADS": "never", **(extra or {})},
        pass_fds=(lock,),
        check=False,
    )
    if done.returncode != 0:
        raise StepFailed(done.stdout.strip())


@contextlib.contextmanager
def step(what: str) -> Iterator[None]:
    started = time.monotonic()
    print(f"dev.py: {what} ...", end="", file=sys.stderr, flush=True)
    try:
        yield
    except BaseException:
        print(" failed", file=sys.stderr)
        raise
    print(f" {time.monotonic() - started:.1f} s", file=sys.stderr)


def say(what: str) -> None:
    """On standard error: the output of what we start may be read by a program."""
    print(f"dev.py: {what}", file=sys.stderr, flush=True)


def last_line(failure: StepFailed) -> str:
    return (str(failure).splitlines() or ["no reason given"])[-1].strip()


# --- commands -----------------------------------------------------------------


def become(tree: Tree, program: str, *arguments: str) -> int:
    path = str(tree.venv / "bin" / program)
    os.execv(path, [path, *arguments])


def demo(tree: Tree, arguments: list[str]) -> int:
    return become(tree, "dondoc", "demo", *arguments)


def up(tree: Tree, arguments: list[str]) -> int:
    return become(tree, "dondoc", "serve", "all", *arguments)


# A file stays with one worker, so that what its tests share is made once.
SIDE_BY_SIDE = [
    *("--numprocesses=auto", "--maxprocesses=4"),
    *("--dist=loadfile", "--no-loadscope-reorder"),
]


def test(tree: Tree, arguments: list[str]) -> int:
    """All of them side by side, a database server each; some of them one by one."""
    workers = [] if arguments else SIDE_BY_SIDE
    return become(tree, "python", "-m", "pytest", *workers, *arguments)


def bench(tree: Tree, arguments: list[str]) -> int:
    return become(tree, "python", "-m", "bench", *arguments)


def faults(tree: Tree, arguments: list[str]) -> int:
    return become(tree, "python", "-m", "faults", *arguments)


CHECKS = {
    "format": ["ruff", "format", "--check", "."],
    "lint": ["ruff", "check", "."],
    "types": ["mypy"],
    "imports": ["lint-imports"],
}


def check(tree: Tree, arguments: list[str]) -> int:
    """Run all, also after a failure, so that one run shows everything."""
    failed = []
    for name, (program, *words) in CHECKS.items():
        print(f"== {name}: {' '.join([program, *words])}", flush=True)
        command = [str(tree.venv / "bin" / program), *words, *arguments]
        if subprocess.run(command, check=False).returncode != 0:
            failed.append(name)
    print(f"check failed: {', '.join(failed)}" if failed else "check passed")
    return 1 if failed else 0


COMMANDS: dict[str, Callable[[Tree, list[str]], int]] = {
    "demo": demo,
    "up": up,
    "test": test,
    "check": check,
    "bench": bench,
    "faults": faults,
}


def main(words: Sequence[str], tree: Tree) -> int:
    name, *arguments = words or ["--help"]
    if name in ("-h", "--help", "help"):
        print(USAGE)
        return 0 if words else 2
    if name not in COMMANDS:
        print(f"dev.py knows no command {name!r}.\n\n{USAGE}", file=sys.stderr)
        return 2
    prepare(tree)
    os.chdir(tree.root)
    # Without its bytecode every start would compile a thousand files again.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    return COMMANDS[name](tree, arguments)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:], Tree(Path(__file__).resolve().parent)))
    except KeyboardInterrupt:
        sys.exit(130)

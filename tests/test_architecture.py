"""The borders inside the program, checked on its own source."""

from __future__ import annotations

import ast
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[1]
SERVICES = ("ingest", "scoring", "alerts")
SHARED = sorted(
    f"libs.common.{module.name}"
    for module in pkgutil.iter_modules([str(ROOT / "libs/common")])
)
# What fewer than two services reach, and why it lies among the shared all the same.
SHARED_OTHERWISE = {
    "libs.common.postgres": "the embedded server: started before any service is",
    "libs.common.logs": "where log lines go: decided once per process",
}
DOMAIN = sorted(ROOT.glob("services/*/domain/*.py"))
EXACT = [*DOMAIN, *sorted(ROOT.glob("libs/common/**/*.py"))]
CLOCKS = {
    *("datetime.now", "datetime.utcnow", "datetime.today", "date.today"),
    *("time.time", "time.time_ns", "time.monotonic", "time.perf_counter"),
}


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("services", "libs", "migrations", cache_dir=None)


def test_every_import_contract_holds() -> None:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"]  # fmt: skip

    ended = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "0 broken" in ended.stdout


def test_what_is_shared_is_reached_from_at_least_two_services(
    graph: grimp.ImportGraph,
) -> None:
    lonely = {
        module
        for module in SHARED
        if sum(
            graph.chain_exists(f"services.{name}", module, as_packages=True)
            for name in SERVICES
        )
        < 2
    }

    assert lonely == set(SHARED_OTHERWISE)
    assert all(
        graph.chain_exists("services.__main__", module) for module in SHARED_OTHERWISE
    )


def test_no_service_reaches_another_even_through_others(
    graph: grimp.ImportGraph,
) -> None:
    reached = {
        (one, other)
        for one in SERVICES
        for other in SERVICES
        if one != other
        and graph.chain_exists(f"services.{one}", f"services.{other}", as_packages=True)
    }

    assert reached == set()


@pytest.mark.parametrize("path", DOMAIN, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_thinking_looks_at_no_clock(path: Path) -> None:
    assert [name for name, _ in calls(path) if name in CLOCKS] == []


@pytest.mark.parametrize("path", EXACT, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_figure_passes_through_a_float(path: Path) -> None:
    made = [given for name, given in calls(path) if name == "float"]

    assert [given for given in made if given not in ("'inf'", "'-inf'")] == []


def calls(path: Path) -> Iterator[tuple[str, str]]:
    """What a file calls, by the last two names (`datetime.now`, `float`), with what."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            name = ".".join(ast.unparse(node.func).split(".")[-2:])
            yield name, ", ".join(ast.unparse(given) for given in node.args)


@pytest.mark.parametrize("service", SERVICES)
def test_each_service_has_the_same_rooms(service: str) -> None:
    rooms = {"service", "routes", "schemas", "usecases", "store", "tables"}
    home = ROOT / "services" / service

    assert rooms <= {path.stem for path in home.glob("*.py")}
    assert (home / "domain").is_dir()
    assert (ROOT / "migrations/versions" / service).is_dir()

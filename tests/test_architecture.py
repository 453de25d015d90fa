"""The borders inside the program, checked on its own source."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[1]
SERVICES = ("ingest", "scoring", "alerts")
SHARED = sorted(
    f"libs.common.{path.stem}"
    for path in (ROOT / "libs/common").glob("*.py")
    if path.stem != "__init__"
)
# What is shared by the command line alone, and why it lies among the shared all the same.
NOT_OF_A_SERVICE = {
    "libs.common.postgres": "the embedded server: started before any service is",
    "libs.common.logs": "where log lines go: decided once per process",
}
DOMAIN = sorted(ROOT.glob("services/*/domain/*.py"))
EXACT = [*DOMAIN, *sorted(ROOT.glob("libs/common/*.py"))]
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

    assert lonely == set(NOT_OF_A_SERVICE)
    assert all(
        graph.chain_exists("services.__main__", module) for module in NOT_OF_A_SERVICE
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
    assert [called for called in calls(path) if called in CLOCKS] == []


@pytest.mark.parametrize("path", EXACT, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_figure_passes_through_a_float(path: Path) -> None:
    assert "float" not in list(calls(path))


def calls(path: Path) -> Iterator[str]:
    """The last two names of everything that a file calls: `datetime.now`, `float`."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            yield ".".join(ast.unparse(node.func).split(".")[-2:])


@pytest.mark.parametrize("service", SERVICES)
def test_each_service_has_the_same_rooms(service: str) -> None:
    rooms = {"service", "routes", "schemas", "usecases", "store", "tables"}
    home = ROOT / "services" / service

    assert rooms <= {path.stem for path in home.glob("*.py")}
    assert (home / "domain").is_dir()
    assert (ROOT / "migrations/versions" / service).is_dir()


@pytest.mark.parametrize("service", SERVICES)
def test_only_its_store_and_tables_speak_sql(
    service: str, graph: grimp.ImportGraph
) -> None:
    speakers = {
        module
        for module in graph.find_descendants(f"services.{service}")
        if any(
            line["imported"] == f"services.{service}.tables"
            for imported in graph.find_modules_directly_imported_by(module)
            for line in graph.get_import_details(importer=module, imported=imported)
            if "imported" in line
        )
    }

    assert speakers <= {f"services.{service}.store"}

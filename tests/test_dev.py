"""dev.py decides rightly when to set up, and says what it cannot do."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

DEV = Path(__file__).parents[1] / "dev.py"
FILES = ("requirements.lock", "requirements-engine.lock", "pyproject.toml")


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("dondoc_dev", DEV)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


dev = load()


@pytest.fixture
def tree(tmp_path: Path):
    """A checkout whose environment was made from what is there now."""
    for name in FILES:
        (tmp_path / name).write_text(f"{name}, first edition\n")
    tree = dev.Tree(tmp_path)
    (tree.venv / "bin").mkdir(parents=True)
    tree.python.symlink_to(sys.executable)
    mark(tree)
    return tree


def mark(tree, **different: str) -> None:
    facts = {"home": tree.home(), "fingerprint": tree.fingerprint(), "engine": "ok"}
    tree.marker.write_text(json.dumps({**facts, **different}))


def run_dev(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, DEV, *words], capture_output=True, text=True)


def test_an_environment_made_from_these_files_is_ready(tree):
    assert tree.ready()


@pytest.mark.parametrize("name", FILES)
def test_a_changed_file_asks_for_a_new_setup_but_not_for_a_new_venv(tree, name):
    (tree.root / name).write_text("second edition\n")

    assert not tree.ready()
    assert tree.usable()


def test_a_moved_checkout_needs_a_new_venv(tree, tmp_path_factory):
    moved = tree.root.rename(tmp_path_factory.mktemp("elsewhere") / "dondoc")

    assert not dev.Tree(moved).ready()
    assert not dev.Tree(moved).usable()


def test_a_setup_that_was_cut_short_is_not_ready(tree):
    tree.marker.unlink()

    assert not tree.ready()


def test_half_a_marker_is_none(tree):
    tree.marker.write_text('{"fingerprint": "')

    assert not tree.ready()


def test_a_python_that_was_removed_is_noticed(tree):
    tree.python.unlink()
    tree.python.symlink_to("/nowhere/python3")

    assert not tree.ready()
    assert not tree.usable()


def test_a_venv_made_by_hand_is_completed_not_replaced(tree):
    tree.marker.unlink()

    assert tree.usable()


def test_a_venv_that_does_not_run_is_replaced(tree):
    tree.marker.unlink()
    tree.python.unlink()

    assert not tree.usable()


def test_the_engine_is_tried_again_once_there_is_a_compiler(tree, monkeypatch):
    mark(tree, engine=dev.NO_COMPILER)

    monkeypatch.setenv("CC", "")
    monkeypatch.setenv("PATH", "/nowhere")
    without = tree.ready()
    monkeypatch.setenv("CC", "clang")
    with_one = tree.ready()

    assert without
    assert not with_one


def test_a_compiler_that_failed_once_is_not_tried_at_every_start(tree, monkeypatch):
    mark(tree, engine="it did not build")
    monkeypatch.setenv("CC", "clang")

    assert tree.ready()


def test_no_package_index_is_named_in_what_we_install_from():
    for name in ("requirements.lock", "requirements-engine.lock"):
        text = (DEV.parent / name).read_text()

        assert "://" not in text
        assert "index" not in text.replace("--hash", "").split("==")[0]


@pytest.mark.parametrize(
    ("version", "platform", "said"),
    [
        pytest.param((3, 11, 0), "linux", None, id="oldest"),
        pytest.param((3, 13, 9), "darwin", None, id="newest"),
        pytest.param((3, 10, 4), "linux", "this is Python 3.10.4", id="too old"),
        pytest.param((3, 14, 0), "linux", "this is Python 3.14.0", id="too new"),
        pytest.param((3, 12, 0), "win32", "WSL", id="Windows"),
    ],
)
def test_where_it_runs(version, platform, said):
    complaint = dev.complaint(version, platform)

    assert (complaint is None) if said is None else (said in complaint)


def test_help_lists_every_command():
    answer = run_dev("--help")

    assert answer.returncode == 0
    assert all(f"\n  {name} " in answer.stdout for name in dev.COMMANDS)


def test_no_command_shows_the_usage_and_fails():
    answer = run_dev()

    assert answer.returncode == 2
    assert "usage:" in answer.stdout


def test_an_unknown_command_fails_and_installs_nothing():
    answer = run_dev("tset")

    assert answer.returncode == 2
    assert "'tset'" in answer.stderr
    assert "making" not in answer.stderr

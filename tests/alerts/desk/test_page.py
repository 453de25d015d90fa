"""The test files on the page are ones that come out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.__main__ import cli

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "life-of-a-rule.md").read_text("utf-8")


@pytest.mark.parametrize("text", re.findall(r"```yaml\n(.*?)```", PAGE, re.S))
def test_a_test_file_on_the_page_comes_out(tmp_path: Path, text: str) -> None:
    file = tmp_path / "suite.yaml"
    file.write_text(text, "utf-8")

    result = CliRunner().invoke(cli, ["rules", "test", str(file)])

    assert result.exit_code == 0, result.output


def test_the_readme_leads_to_the_page() -> None:
    assert "docs/life-of-a-rule.md" in (ROOT / "README.md").read_text("utf-8")

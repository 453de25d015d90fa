"""What docs/webhooks.md tells subscribers to run is run, beside the libraries they use."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from services.alerts.domain.signing import new_secret, sign
from services.alerts.subscriptions.schemas import TYPES

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/webhooks.md").read_text("utf-8")
LOCKED = ROOT / "tests/support/javascript"
NODE, NPM = shutil.which("node"), shutil.which("npm")
needs_node = pytest.mark.skipif(
    not (NODE and NPM), reason="needs Node and npm: apt-get install nodejs npm"
)

SECRET = new_secret(lambda n: bytes(range(n)))
OLDER = new_secret(lambda n: bytes(range(1, n + 1)))
STRANGE = new_secret(lambda n: bytes(n))
BODY = '{"type": "vn.dondoc.ping", "data": "việc"}'.encode()


def code(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


def post(
    *secrets: str, id: str = "msg_1", ago: int = 0, **changed: str
) -> dict[str, str]:
    """The headers of a message as dondoc signs it, some of them changed on the way."""
    sent = int(time.time()) - ago
    return {
        "webhook-id": id,
        "webhook-timestamp": str(sent),
        "webhook-signature": sign(secrets, id=id, timestamp=sent, body=BODY),
        **changed,
    }


Made = Callable[[], dict[str, str]]
# Made when asked: a run of tests takes longer than five minutes allow for.
CASES: list[tuple[str, Made, bytes, bool]] = [
    ("as it is sent", lambda: post(SECRET), BODY, True),
    ("while secrets overlap", lambda: post(OLDER, SECRET), BODY, True),
    ("the other way round", lambda: post(SECRET, OLDER), BODY, True),
    ("another secret", lambda: post(STRANGE), BODY, False),
    ("the body changed", lambda: post(SECRET), BODY + b" ", False),
    ("the id swapped", lambda: post(SECRET, **{"webhook-id": "msg_2"}), BODY, False),
    ("replayed after six minutes", lambda: post(SECRET, ago=360), BODY, False),
    ("from the future", lambda: post(SECRET, ago=-360), BODY, False),
    ("no signature", lambda: post(SECRET, **{"webhook-signature": ""}), BODY, False),
    ("no version", lambda: post(SECRET, **{"webhook-signature": "x"}), BODY, False),
]
named = pytest.mark.parametrize(
    ("made", "body", "right"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)


@named
def test_python_on_the_page_and_the_library_judge_alike(
    made: Made, body: bytes, right: bool
) -> None:
    headers = made()
    page: dict[str, Any] = {}
    exec(compile(code("python"), "webhooks.md", "exec"), page)
    verify: Callable[[str, dict[str, str], bytes], bool] = page["verify"]

    assert verify(SECRET, headers, body) is right
    try:
        Webhook(SECRET).verify(body, headers)
    except (WebhookVerificationError, ValueError):  # it stumbles over "no version"
        assert not right
    else:
        assert right


_JUDGE = """
import { readFileSync } from "node:fs";
import { Webhook } from "standardwebhooks";
import { verify } from "./page.mjs";

const { secret, cases } = JSON.parse(readFileSync(0, "utf-8"));
const library = (headers, body) => {
  try { new Webhook(secret).verify(body, headers); return true; } catch { return false; }
};
console.log(JSON.stringify(cases.map(([headers, text]) => {
  const body = Buffer.from(text, "utf-8");
  return [verify(secret, headers, body), library(headers, body)];
})));
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the library of npm, the page's lines and what asks both."""
    place = tmp_path_factory.mktemp("javascript")
    for file in LOCKED.iterdir():
        shutil.copy(file, place)
    ended = subprocess.run(
        [str(NPM), "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=place,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if ended.returncode:
        pytest.skip(f"npm could not install standardwebhooks: {ended.stderr[:200]}")
    (place / "page.mjs").write_text(code("javascript"), "utf-8")
    (place / "judge.mjs").write_text(_JUDGE, "utf-8")
    return place


@needs_node
def test_javascript_on_the_page_and_the_library_judge_alike(project: Path) -> None:
    asked = [[made(), body.decode()] for _, made, body, _ in CASES]
    ended = subprocess.run(
        [str(NODE), "judge.mjs"],
        cwd=project,
        input=json.dumps({"secret": SECRET, "cases": asked}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    judged = dict(zip([c[0] for c in CASES], json.loads(ended.stdout), strict=True))
    assert judged == {name: [right, right] for name, _, _, right in CASES}


def test_the_page_names_every_type() -> None:
    table = PAGE[PAGE.index("| type | when |") : PAGE.index("In `types`")]
    told: set[str] = set()
    for line in table.strip().splitlines()[2:]:
        family = ""
        for name in re.findall(r"`([a-z.]+)`", line.split("|")[1]):
            family = name.partition(".")[0] or family
            told.add(name if not name.startswith(".") else family + name)

    assert told == set(TYPES)


def test_the_readme_leads_to_the_page() -> None:
    assert "docs/webhooks.md" in (ROOT / "README.md").read_text("utf-8")

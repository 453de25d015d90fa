"""What the environment may say, and what it must."""

from __future__ import annotations

import base64
import sys
import threading
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from libs.common.settings import Settings

OURS = base64.b64encode(b"a secret of thirty-two bytes ...").decode()
URL = SecretStr("postgresql://somewhere/dondoc")


@pytest.fixture(autouse=True)
def _no_secret_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DONDOC_SECRET", raising=False)


def settings(**given: object) -> Settings:
    return Settings(_env_file=None, **given)  # type: ignore[arg-type]


def test_a_secret_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    data = tmp_path / "not" / "there"

    first, second = settings(data=data).root_secret, settings(data=data).root_secret

    assert first == second
    assert len(first) == 32
    assert (data / "secret").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in data.iterdir()] == ["secret"]


@pytest.fixture
def _interleaved() -> Iterator[None]:
    """Threads take turns after every step, as processes on many cores do."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("_interleaved")
def test_starters_at_the_same_moment_agree_on_one_secret(tmp_path: Path) -> None:
    for attempt in range(20):
        data, found = tmp_path / str(attempt), set()
        together = threading.Barrier(8)

        def start(
            found: set[bytes] = found,
            together: threading.Barrier = together,
            *,
            ours: Settings,
        ) -> None:
            together.wait()
            # Past the lock that the property holds among threads, but not processes.
            found.add(Settings.root_secret.func(ours))

        starters = [
            threading.Thread(target=start, kwargs={"ours": settings(data=data)})
            for _ in range(8)
        ]
        for one in starters:
            one.start()
        for one in starters:
            one.join()

        assert len(found) == 1
        assert [path.name for path in data.iterdir()] == ["secret"]
        assert found == {settings(data=data).root_secret}


def test_keys_for_two_purposes_have_nothing_in_common(tmp_path: Path) -> None:
    ours = settings(secret=SecretStr(OURS))

    assert ours.key_for("key pepper") == settings(secret=SecretStr(OURS)).key_for(
        "key pepper"
    )
    assert ours.key_for("key pepper") != ours.key_for("subscription secrets")
    assert ours.root_secret not in (ours.key_for("key pepper"), b"")


def test_production_on_a_database_of_its_own_must_be_given_its_secret(
    tmp_path: Path,
) -> None:
    with pytest.raises(SystemExit, match="DONDOC_SECRET is required"):
        _ = settings(database_url=URL, data=tmp_path).root_secret

    assert list(tmp_path.iterdir()) == []
    given = settings(database_url=URL, data=tmp_path, secret=SecretStr(OURS))
    assert len(given.root_secret) == 32


@pytest.mark.parametrize("env", ["demo", "test"])
def test_a_demonstration_makes_its_own(tmp_path: Path, env: str) -> None:
    assert settings(database_url=URL, data=tmp_path, env=env).root_secret


@pytest.mark.parametrize(
    "secret",
    [
        pytest.param("", id="empty"),
        pytest.param("short", id="not base64"),
        pytest.param(base64.b64encode(b"16 bytes of text").decode(), id="16 bytes"),
        pytest.param(OURS[:-4] + "!!!!", id="letters that base64 has not"),
    ],
)
def test_a_bad_secret_is_refused(secret: str) -> None:
    with pytest.raises(SystemExit, match="32 bytes"):
        _ = settings(secret=SecretStr(secret)).root_secret


def test_no_secret_is_printed() -> None:
    ours = settings(
        secret=SecretStr(OURS), database_url=SecretStr("postgresql://u:hush@h/d")
    )

    assert OURS not in repr(ours)
    assert "hush" not in repr(ours)


@pytest.mark.parametrize(
    ("env", "given", "open_to"),
    [
        pytest.param("production", None, [], id="production: nothing inside"),
        pytest.param("test", None, [], id="test: nothing inside"),
        pytest.param("demo", None, ["127.0.0.1/32"], id="demo: this machine"),
        pytest.param("demo", "", ["127.0.0.1/32"], id="an empty setting is none"),
        pytest.param("production", "10.20.0.0/16, fd00::/8", ["10.20.0.0/16", "fd00::/8"], id="named"),
        pytest.param("demo", "10.0.0.0/8", ["10.0.0.0/8"], id="named replaces the default"),
    ],
)  # fmt: skip
def test_networks_that_webhooks_may_reach(
    monkeypatch: pytest.MonkeyPatch, env: str, given: str | None, open_to: list[str]
) -> None:
    monkeypatch.setenv("DONDOC_ENV", env)
    if given is not None:
        monkeypatch.setenv("DONDOC_ALLOW_NETWORKS", given)

    assert settings().webhook_networks == tuple(ip_network(one) for one in open_to)


@pytest.mark.parametrize("given", ["10.0.0.1/8", "localhost", "10.0.0.0/8;::1"])
def test_what_is_no_network_is_refused(
    monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv("DONDOC_ALLOW_NETWORKS", given)

    with pytest.raises(ValidationError, match=r"(?i)allow_networks"):
        settings()


def test_business_time_starts_anywhere_but_in_production(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DONDOC_NOW", "2022-03-08T08:00:00+07:00")

    assert settings(env="production").starts_at is None
    started = settings(env="test").starts_at
    assert started is not None
    assert started.isoformat() == "2022-03-08T08:00:00+07:00"


def test_a_moment_needs_its_offset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DONDOC_NOW", "2022-03-08T08:00:00")

    with pytest.raises(ValidationError):
        settings(env="test")


def test_empty_in_the_environment_is_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DONDOC_NOW", "")
    monkeypatch.setenv("DONDOC_PORT", "")

    assert (settings().now, settings().port) == (None, None)

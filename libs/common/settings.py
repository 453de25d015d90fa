"""What the environment says; every setting is listed in `.env.example`."""

from __future__ import annotations

import base64
import os
import tempfile
from datetime import datetime
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import AwareDatetime, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Network = IPv4Network | IPv6Network


class Settings(BaseSettings):
    """The environment and `.env`, read once at the start of a command."""

    model_config = SettingsConfigDict(
        env_prefix="DONDOC_",
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
    )

    database_url: Annotated[
        SecretStr | None, Field(validation_alias="DATABASE_URL")
    ] = None
    data: Path = Path(".dondoc")
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] | None = None
    env: Literal["production", "demo", "test"] = "production"
    now: AwareDatetime | None = None
    secret: SecretStr | None = None
    rule_engine: Literal["durable", "native"] = "durable"
    rules: Path | None = None
    case_retention: Annotated[int, Field(ge=1, le=1200)] | None = None
    allow_networks: Annotated[tuple[Network, ...] | None, NoDecode] = None
    proxies: Annotated[tuple[Network, ...], NoDecode] = ()
    requests_per_second: Annotated[int, Field(ge=0, le=100_000)] = 1000

    @field_validator("allow_networks", "proxies", mode="before")
    @classmethod
    def _networks(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(ip_network(part.strip()) for part in value.split(",") if part)
        return value

    @property
    def webhook_networks(self) -> tuple[Network, ...]:
        """Where webhooks may go beside the public internet."""
        if self.allow_networks is None and self.env == "demo":
            return (IPv4Network("127.0.0.1/32"),)
        return self.allow_networks or ()

    @property
    def starts_at(self) -> datetime | None:
        """Where business time starts; production runs with true time."""
        return None if self.env == "production" else self.now

    @cached_property
    def root_secret(self) -> bytes:
        """32 bytes from DONDOC_SECRET, else made once in the data directory."""
        if self.secret is not None:
            return _decoded(self.secret.get_secret_value())
        if self.database_url is not None and self.env == "production":
            raise SystemExit(
                "DONDOC_SECRET is required with a DATABASE_URL in production:"
                " 32 bytes as base64, the same for every process"
                " (openssl rand -base64 32)."
            )
        return _kept_secret(self.data / "secret")

    def key_for(self, purpose: str) -> bytes:
        """A 32-byte key derived for one purpose, so no two uses share one."""
        kdf = HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose.encode())
        return kdf.derive(self.root_secret)


def _decoded(text: str) -> bytes:
    try:
        secret = base64.b64decode(text, validate=True)
    except ValueError:
        secret = b""
    if len(secret) != 32:
        raise SystemExit("DONDOC_SECRET must be 32 bytes written as base64.")
    return secret


def _kept_secret(path: Path) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)  # 0600
    fresh = Path(name)
    with open(handle, "wb") as file:
        file.write(base64.b64encode(os.urandom(32)))
    try:
        # A link appears whole or not at all, and the first of two starters wins.
        os.link(fresh, path)
    except FileExistsError:
        pass
    finally:
        fresh.unlink()
    return _decoded(path.read_text().strip())

"""Which addresses a webhook may be sent to, so that none leads inside.

Nothing here resolves or connects. The order is the caller's: `parse`, resolve once,
`vet` every answer, and connect to what was vetted.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_network,
)
from typing import ClassVar
from urllib.parse import quote

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

LONGEST = 2048
PUBLIC_PORTS = (443, 8443)
DEFAULT_PORTS = {"https": 443, "http": 80}

FORBIDDEN: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in (
        # private, loopback, link-local with the metadata of clouds
        *("0.0.0.0/8", "10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.168.0.0/16"),
        "100.64.0.0/10",  # carrier NAT, where one cloud keeps its metadata
        # special, documentation, benchmarks, multicast, reserved
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15"),
        *("198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        # loopback and every way to write an IPv4 address as an IPv6 one
        *("::/8", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64"),
        # Teredo, benchmarks and ORCHID; documentation; 6to4; documentation; SRv6
        *("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16"),
        # local, link-local, site-local, multicast
        *("fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8"),
    )
)
_ALLOCATED = IPv6Network("2000::/3")

_URL = re.compile(r"(https?)://([^/?#]*)([^#]*)", re.IGNORECASE | re.ASCII)
_AUTHORITY = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::([0-9]{1,5}))?", re.ASCII)
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")
_DOTS = re.compile("[\u3002\uff0e\uff61]")
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]{1,16}|[0-9]{1,22}", re.ASCII)
_LOOKS_NUMERIC = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*", re.ASCII)


class Refusal(StrEnum):
    """Why an address is refused: for our logs and metrics, never for its author."""

    MALFORMED = "malformed"
    PORT_OR_SCHEME = "port_or_scheme"
    UNRESOLVED = "unresolved"
    INSIDE = "inside"


class AddressRefused(ValueError):
    """No webhook goes there. All refusals read alike, to tell nothing of the inside."""

    code: ClassVar[str] = "address_refused"
    texts: ClassVar[Mapping[str, str]] = {
        "vi": "Không dùng được địa chỉ nhận: cần https, cổng 443 hoặc 8443, "
        "máy chủ truy cập được từ Internet, không kèm tên người dùng, không có phần #.",
        "en": "The webhook address cannot be used: it takes https on port 443 or 8443 "
        "of a host that the public internet reaches, without a user name and a #.",
    }

    def __init__(self, why: Refusal) -> None:
        super().__init__(self.texts["en"])
        self.why = why


@dataclass(frozen=True, slots=True)
class Target:
    """A webhook address in the one spelling that is vetted, connected to and named."""

    scheme: str
    host: str
    port: int
    path: str
    """Path and query, percent-encoded."""
    address: Address | None
    """None when the host is a name, which is yet to be resolved."""

    @property
    def authority(self) -> str:
        """The host and its port, as in the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = self.port == DEFAULT_PORTS[self.scheme]
        return host if usual else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"


def parse(url: str) -> Target:
    """Read a webhook address, or raise AddressRefused. Networks are for `vet`."""
    parts = _URL.fullmatch(url) if len(url) <= LONGEST and _plain(url) else None
    if parts is None:
        raise AddressRefused(Refusal.MALFORMED)
    scheme, authority, rest = parts[1].lower(), parts[2], parts[3]
    split = _AUTHORITY.fullmatch(unicodedata.normalize("NFKC", authority))
    if split is None:  # a user name fails in the host, whose letters allow no @
        raise AddressRefused(Refusal.MALFORMED)
    port = int(split[2]) if split[2] else DEFAULT_PORTS[scheme]
    if not 1 <= port <= 65535:
        raise AddressRefused(Refusal.MALFORMED)
    host, address = _host(split[1])
    path = rest if rest.startswith("/") else "/" + rest
    return Target(scheme, host, port, _encoded(path), address)


def forbidden(address: Address) -> bool:
    """Whether an address is anything but a plain one of the public internet."""
    if isinstance(address, IPv6Address) and address not in _ALLOCATED:
        return True
    return _within(address, FORBIDDEN)


def vet(
    target: Target, addresses: Iterable[Address], allowed: Sequence[Network]
) -> tuple[Address, ...]:
    """The addresses that may be connected to: all that were given, or AddressRefused.

    One bad answer refuses them all, for the next resolution may give that one first.
    """
    answers = tuple(addresses)
    if not answers:
        raise AddressRefused(Refusal.UNRESOLVED)
    outside = [one for one in answers if not _within(one, allowed)]
    if any(forbidden(one) for one in outside):
        raise AddressRefused(Refusal.INSIDE)
    if outside and (target.scheme != "https" or target.port not in PUBLIC_PORTS):
        raise AddressRefused(Refusal.PORT_OR_SCHEME)
    return answers


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)


def _plain(url: str) -> bool:
    """No control characters, blanks, backslashes, surrogates or unassigned letters."""
    return "\\" not in url and not any(
        unicodedata.category(letter)[0] in "CZ" for letter in url
    )


def _encoded(path: str) -> str:
    return quote(path, safe="/?&=:@!$'()*+,;%~-._")


def _host(text: str) -> tuple[str, Address | None]:
    """A host in its one spelling, and its address if it is one."""
    if text.startswith("["):
        return _bracketed(text[1:-1])
    name = _ascii(_DOTS.sub(".", text).lower()).removesuffix(".")
    if not _NAME.fullmatch(name) or len(name) > 253:
        raise AddressRefused(Refusal.MALFORMED)
    if _LOOKS_NUMERIC.fullmatch(name.rpartition(".")[2]):
        address = _ipv4(name.split("."))
        return str(address), address
    return name, None


def _bracketed(text: str) -> tuple[str, Address]:
    try:
        if "%" in text:  # a zone names an interface of this very machine
            raise ValueError(text)
        address = IPv6Address(text)
    except ValueError:
        raise AddressRefused(Refusal.MALFORMED) from None
    return str(address), address


def _ascii(name: str) -> str:
    """A name as resolvers take it, if all standards read its letters the same way."""
    if name.isascii():
        return name
    try:
        encoded = name.encode("idna")
        if encoded.decode("idna") != name:
            raise AddressRefused(Refusal.MALFORMED)
    except UnicodeError:
        raise AddressRefused(Refusal.MALFORMED) from None
    return encoded.decode("ascii")


def _ipv4(parts: list[str]) -> IPv4Address:
    """The address behind 127.1, 0x7f.1, 0177.0.0.1 or 2130706433, as C reads them."""
    if len(parts) > 4 or not all(_NUMBER.fullmatch(part) for part in parts):
        raise AddressRefused(Refusal.MALFORMED)
    try:
        *leading, last = (_number(part) for part in parts)
    except ValueError:
        raise AddressRefused(Refusal.MALFORMED) from None
    if any(n > 255 for n in leading) or last >= 256 ** (4 - len(leading)):
        raise AddressRefused(Refusal.MALFORMED)
    high = sum(n << (24 - 8 * place) for place, n in enumerate(leading))
    return IPv4Address(high + last)


def _number(text: str) -> int:
    if text[:2].lower() == "0x":
        return int(text, 16)
    return int(text, 8 if text.startswith("0") and len(text) > 1 else 10)

"""Standard Webhooks signatures, version 1: how a message proves who sent it.

The signature covers `id.timestamp.body`, so none of the three can be changed, and an
old message cannot be sent again later than the tolerance.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Callable, Mapping, Sequence

TOLERANCE_SECONDS = 300
_PREFIX = "whsec_"
_SECRET_BYTES = 32
MOST_SECRETS = 10
"""Live at once: the newest and older ones whose overlap runs."""

_SEVERAL = 16  # signatures a header may hold; more is not a rotation but an attack
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")


class SignatureError(ValueError):
    """A secret that cannot sign, or a message that does not prove its sender."""


def new_secret(random_bytes: Callable[[int], bytes]) -> str:
    """A fresh secret as subscribers get to see it, once."""
    return _PREFIX + base64.b64encode(random_bytes(_SECRET_BYTES)).decode()


def sign(secrets: Sequence[str], *, id: str, timestamp: int, body: bytes) -> str:
    """The `webhook-signature` header: one signature for each secret that is live."""
    if not secrets:
        raise SignatureError("there is no live secret to sign with")
    if not _ID.fullmatch(id) or timestamp < 0:
        raise SignatureError("the id or the timestamp of a message is malformed")
    return " ".join(_signature(secret, id, str(timestamp), body) for secret in secrets)


def verify(secret: str, headers: Mapping[str, str], body: bytes, *, now: int) -> None:
    """Raise SignatureError unless the headers prove this body, sent about now."""
    given = {name.lower(): value for name, value in headers.items()}
    try:
        id, timestamp = given["webhook-id"], given["webhook-timestamp"]
        claimed = given["webhook-signature"].split(" ")
    except KeyError as missing:
        raise SignatureError(f"the header {missing.args[0]} is missing") from None
    if not _ID.fullmatch(id) or not _TIMESTAMP.fullmatch(timestamp):
        raise SignatureError("the id or the timestamp of a message is malformed")
    if abs(now - int(timestamp)) > TOLERANCE_SECONDS:
        raise SignatureError("the message is too old, or from the future")
    right = _signature(secret, id, timestamp, body).encode()
    # Compared as bytes: a header may hold letters that a text comparison refuses.
    if not any(
        hmac.compare_digest(right, one.encode("utf-8", "backslashreplace"))
        for one in claimed[:_SEVERAL]
    ):
        raise SignatureError("no signature matches")


def _signature(secret: str, id: str, timestamp: str, body: bytes) -> str:
    signed = f"{id}.{timestamp}.".encode() + body
    digest = hmac.digest(_key(secret), signed, "sha256")
    return "v1," + base64.b64encode(digest).decode()


def _key(secret: str) -> bytes:
    """The bytes of a secret, whose padding other libraries leave out."""
    text = secret.removeprefix(_PREFIX).rstrip("=")
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise SignatureError("the secret is not base64") from None
    if not key:
        raise SignatureError("the secret is empty")
    return key

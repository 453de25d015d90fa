"""Secrets at rest: sealed, and bound to what they are a secret of."""

from __future__ import annotations

import os

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

_NONCE = 12


def seal(key: bytes, owner: str, secret: str) -> bytes:
    """A nonce and the sealed secret; it opens only for the same owner."""
    nonce = os.urandom(_NONCE)
    return nonce + ChaCha20Poly1305(key).encrypt(nonce, secret.encode(), owner.encode())


def unseal(key: bytes, owner: str, sealed: bytes) -> str:
    """The secret again; raises InvalidTag when the key or the owner differs."""
    nonce, rest = sealed[:_NONCE], sealed[_NONCE:]
    return ChaCha20Poly1305(key).decrypt(nonce, rest, owner.encode()).decode()

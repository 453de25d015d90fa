"""Secrets of subscriptions at rest: sealed, and bound to their subscription."""

from __future__ import annotations

import os

from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

_NONCE = 12


def seal(key: bytes, subscription: str, secret: str) -> bytes:
    """A nonce and the sealed secret; it opens only for the same subscription."""
    nonce = os.urandom(_NONCE)
    sealed = ChaCha20Poly1305(key).encrypt(
        nonce, secret.encode(), subscription.encode()
    )
    return nonce + sealed


def unseal(key: bytes, subscription: str, sealed: bytes) -> str:
    """The secret again; raises InvalidTag when the key or the subscription differs."""
    nonce, rest = sealed[:_NONCE], sealed[_NONCE:]
    return ChaCha20Poly1305(key).decrypt(nonce, rest, subscription.encode()).decode()

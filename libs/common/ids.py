"""Identifiers that sort by the moment they were made."""

from __future__ import annotations

import secrets
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def new_id(prefix: str) -> str:
    """`prefix_` and 26 characters: 48 bits of milliseconds, 80 bits of chance."""
    number = time.time_ns() // 1_000_000 << 80 | secrets.randbits(80)
    digits = (_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))
    return f"{prefix}_{''.join(digits)}"

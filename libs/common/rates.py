"""How fast one key may ask, counted in PostgreSQL for all processes together.

A bucket is one moment: how far it is used up (`spent_until`). Asking moves it on, and
it may run ahead of now by the burst. Processes take some twentieth of a second's worth
at a time, so that not every request costs a write; the table is not logged, so that it
costs no fsync, and a crashed server only forgives.
"""

from __future__ import annotations

import math
from collections import defaultdict

from libs.common.database import Connection

BURST_SECONDS = 2.0
"""What a key that was silent may ask at once: as much as it may in this time."""

_TAKE = """
INSERT INTO platform.bucket AS b (key, spent_until)
VALUES ($1, clock_timestamp() + make_interval(secs => $2))
ON CONFLICT (key) DO UPDATE
SET spent_until = greatest(b.spent_until, clock_timestamp()) + make_interval(secs => $2)
WHERE greatest(b.spent_until, clock_timestamp()) + make_interval(secs => $2)
  <= clock_timestamp() + make_interval(secs => $3)
RETURNING true
"""
_WAIT = """
SELECT extract(epoch FROM spent_until - clock_timestamp())::float8 + $2 - $3
FROM platform.bucket WHERE key = $1
"""


class Rates:
    """The buckets of all keys, as one process asks them."""

    def __init__(self, per_second: int) -> None:
        self._per_second = per_second
        self._at_once = max(1, per_second // 20)
        self._left: defaultdict[str, int] = defaultdict(int)

    async def seconds_to_wait(self, connection: Connection, key: str) -> int:
        """0, and one request is counted; or how long until it may ask again."""
        if not self._per_second:
            return 0
        if self._left[key] == 0:
            costs = self._at_once / self._per_second
            burst = max(BURST_SECONDS, costs)
            if not await connection.fetchval(_TAKE, key, costs, burst):
                wait = await connection.fetchval(_WAIT, key, costs, burst)
                return max(1, math.ceil(wait or 0))
            self._left[key] += self._at_once
        self._left[key] -= 1
        return 0

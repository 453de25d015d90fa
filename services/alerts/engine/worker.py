"""The process that durable-rules runs in: facts come in by blocks, rules go out.

It is started by its path and imports nothing else of ours.

The first line is `{"shards": [...]}`, answered by `{"ready": true}` or by
`{"missing": why}`. After that each batch is a line `{"batch": n, "bytes": k}`, then
k bytes of facts, one on each line, answered by `{"batch": n, "matched": ["3,12,", …]}`:
for each fact the rules that match it, in any order, once for each branch that does.
It ends when its input does. Nothing the library does to this process reaches another.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import BinaryIO, Final

ADDRESS_SPACE: Final = 2 * 1024**3
PATIENCE: Final = 60
"""Seconds for one batch. Whoever asked has given up long before, but a process that
lost its owner while the library hangs must not spin for ever."""

Match = Callable[[str], str]


def main() -> int:
    _limit()
    replies = _own_output()
    requests = sys.stdin.buffer
    hello = requests.readline()
    if not hello:
        return 0
    try:
        match = matcher(json.loads(hello)["shards"])
    except ImportError as missing:
        _reply(replies, {"missing": str(missing)})
        return 0
    _reply(replies, {"ready": True})
    serve(requests, replies, match)
    return 0


def serve(requests: BinaryIO, replies: BinaryIO, match: Match) -> None:
    """Answer batches until the input ends."""
    while header := requests.readline():
        batch = json.loads(header)
        signal.alarm(PATIENCE)
        facts = requests.read(batch["bytes"]).decode().split("\n")
        matched = [match(fact) for fact in facts]
        _reply(replies, {"batch": batch["batch"], "matched": matched})
        signal.alarm(0)


def matcher(shards: list[str]) -> Match:
    """Build the rule sets, once for the life of this process."""
    import durable_rules_engine as library

    handles = [
        library.create_ruleset(f"shard{number}", shard)
        for number, shard in enumerate(shards)
    ]

    assert_fact, retract_fact = library.assert_fact, library.retract_fact
    first, next_one = library.start_action_for_state, library.complete_and_start_action
    matched, nothing = 0, 1

    def match(fact: str) -> str:
        found = ""
        # `{"id":"7"}` takes back what `{"id":"7",…}` said, and is read in a trice.
        taken_back = fact[: fact.index('"', len('{"id":"')) + 1] + "}"
        for handle in handles:
            code, state = assert_fact(handle, fact)
            if code == matched:
                started = first(handle, state)
                action = started and started[1]
                while action:
                    # It reads {"r12_0":{"m":…}}: branch 0 of rule 12.
                    found += action[3 : action.index("_")] + ","
                    action = next_one(handle, state)
            elif code != nothing:
                raise RuntimeError(f"assert_fact answered {code}")
            retract_fact(handle, taken_back)
        return found

    return match


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(ValueError):  # where the system does not know this limit
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    # Ctrl-C is for whoever owns this process; it then closes our input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _own_output() -> BinaryIO:
    """Keep the answers to ourselves: what the library prints goes to the log."""
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return replies


def _reply(replies: BinaryIO, answer: dict[str, object]) -> None:
    replies.write(json.dumps(answer).encode() + b"\n")
    replies.flush()


if __name__ == "__main__":
    sys.exit(main())

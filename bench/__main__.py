"""`python -m bench [NAME]`: one JSON line for each value; 1 when one is not reached."""

from __future__ import annotations

import asyncio
import sys

from bench import (
    agreement,
    backtest,
    deadlines,
    delivery,
    end_to_end,
    evaluate,
    evaluate_month,
    growth,
    ingest_cases,
    ingest_reports,
    reads,
    score_national,
    sweep_cases,
    worker_memory,
)

BENCHES = {
    "ingest_reports": ingest_reports.run,
    "ingest_cases": ingest_cases.run,
    "growth": growth.run,
    "score_national": score_national.run,
    "reads": reads.run,
    "sweep_cases": sweep_cases.run,
    "end_to_end": end_to_end.run,
    "delivery": delivery.run,
    "deadlines": deadlines.run,
    "evaluate": evaluate.run,
    "evaluate_month": evaluate_month.run,
    "worker_memory": worker_memory.run,
    "backtest": backtest.run,
    "agreement": agreement.run,
}


def main(names: list[str]) -> int:
    """Run the named benches, or all."""
    unknown = sorted(set(names) - set(BENCHES))
    if unknown:
        print(f"no bench {unknown[0]!r}: {', '.join(BENCHES)}", file=sys.stderr)
        return 2
    reached = True
    for name in names or BENCHES:
        for result in asyncio.run(BENCHES[name]()):
            print(result.line(), flush=True)
            reached = reached and result.ok
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""F1 and F2: processes that die, of themselves or because they are asked to."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator

from faults.crashing import POINTS
from faults.stage import Result, Sender, counted, plant, stage
from services.alerts.leases import IN_FLIGHT

BACK_WITHIN, DRAINED_WITHIN = 10.0, 30.0


def random_kills(times: int = 100, seed: int = 1) -> Iterator[Result]:
    """kill -9 at random moments under 200 records a second."""
    chance = random.Random(seed)
    with stage() as here:
        server = here.start()
        here.ready()
        plant(here)
        here.subscribe("/ok/1")
        slowest = 0.0
        with Sender(here) as sender:
            for _ in range(times):
                time.sleep(chance.uniform(0.2, 1.5))
                server.kill()
                server.wait()
                server = here.start()
                slowest = max(slowest, here.ready())
        settled = here.settled()
        count = counted(here, sender, here.came())
        told = {"kills": times, "records": 10 * len(sender.taken), "twice": count.twice, "torn": count.torn, "delivered_again": count.again, "unworthy": sender.unworthy[:3], "doctor": count.ill}  # fmt: skip
        well = count.whole and settled and not sender.unworthy
        few = count.again <= times * IN_FLIGHT
        yield Result("F1 lost", count.lost, "rows", "0", well and few, told)
        yield Result("F1 back", round(slowest, 2), "s", f"<= {BACK_WITHIN}", slowest <= BACK_WITHIN)  # fmt: skip


def crash_points(points: list[str] | None = None) -> Iterator[Result]:
    """Killed once at each named point; the next to start mends what it finds."""
    with stage() as here:
        server = here.start()
        here.ready()
        plant(here)
        here.subscribe("/ok/1")
        server.terminate()
        server.wait()
        died = []
        with Sender(here) as sender:
            for point in points or POINTS:
                server = here.start(point=point)
                server.wait(60)
                died.append(server.returncode)
            here.start()
            here.ready()
        settled = here.settled()
        count = counted(here, sender, here.came())
        killed = died.count(-signal.SIGKILL)
        told = {"points": len(died), "killed": killed, "twice": count.twice, "torn": count.torn, "delivered_again": count.again, "unworthy": sender.unworthy[:3], "doctor": count.ill}  # fmt: skip
        well = count.whole and settled and killed == len(died) and not sender.unworthy
        yield Result("F1 points lost", count.lost, "rows", "0", well, told)


def asked_to_stop(times: int = 20, seed: int = 2) -> Iterator[Result]:
    """SIGTERM under load: nothing is lost, and nothing is delivered twice."""
    chance = random.Random(seed)
    with stage() as here:
        server = here.start()
        here.ready()
        plant(here)
        here.subscribe("/ok/1")
        slowest, codes = 0.0, set()
        with Sender(here) as sender:
            for _ in range(times):
                time.sleep(chance.uniform(0.2, 1.5))
                began = time.monotonic()
                server.terminate()
                codes.add(server.wait(60))
                slowest = max(slowest, time.monotonic() - began)
                server = here.start()
                here.ready()
        settled = here.settled()
        count = counted(here, sender, here.came())
        told = {"stops": times, "delivered_again": count.again, "answers": dict(sender.answers), "exit": sorted(codes), "unworthy": sender.unworthy[:3], "doctor": count.ill}  # fmt: skip
        well = count.whole and settled and not count.again and codes == {0}
        yield Result("F2 lost", count.lost, "rows", "0", well and not sender.unworthy, told)  # fmt: skip
        yield Result("F2 drained", round(slowest, 2), "s", f"<= {DRAINED_WITHIN}", slowest <= DRAINED_WITHIN)  # fmt: skip

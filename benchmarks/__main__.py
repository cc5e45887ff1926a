"""``python -m benchmarks [NAME …] [--markdown] [--quick]``: print every published figure, or some."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from typing import TYPE_CHECKING

from benchmarks import (
    alerts_50k,
    alerts_in,
    backtest,
    bytes_per_sample,
    failover,
    idle_memory,
    judge,
    memory_100k,
    oncall_year,
    page_latency,
    promql,
    ranges,
    rules_cpu,
    scrape_50x2000,
    scrape_1000,
    start_24h,
    start_ready,
    two_days,
)
from benchmarks.figure import Figure, Scale, table
from benchmarks.lab import progress

if TYPE_CHECKING:
    from benchmarks.figure import Benchmark

BENCHMARKS: dict[str, Benchmark] = {
    "scrape_1000": scrape_1000.run,
    "scrape_50x2000": scrape_50x2000.run,
    "idle_memory": idle_memory.run,
    "judge": judge.run,
    "start_ready": start_ready.run,
    "page_latency": page_latency.run,
    "alerts_in": alerts_in.run,
    "alerts_50k": alerts_50k.run,
    "failover": failover.run,
    "two_days": two_days.run,
    "promql": promql.run,
    "ranges": ranges.run,
    "rules_200": rules_cpu.rules_200,
    "rules_1000": rules_cpu.rules_1000,
    "rules_100k": rules_cpu.rules_100k,
    "bytes_per_sample": bytes_per_sample.run,
    "memory_100k": memory_100k.run,
    "start_24h": start_24h.run,
    "backtest": backtest.run,
    "oncall_year": oncall_year.run,
}


def main() -> int:
    """Run what is asked for; a benchmark that cannot run fails the command, the others are printed all the same."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--markdown", action="store_true", help="a table for the README")
    parser.add_argument("--quick", action="store_true", help="a short run that shows that all of it works")
    args = parser.parse_args()
    unknown = [name for name in args.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    # Terminated as if by Ctrl-C: the servers that a benchmark has started end with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    rows: list[tuple[str, Figure]] = []
    failed = []
    for name in args.names or BENCHMARKS:
        progress(name)
        began = time.monotonic()
        try:
            rows += [(name, figure) for figure in BENCHMARKS[name](Scale(args.quick))]
        except (AssertionError, OSError, RuntimeError, ValueError) as error:
            failed.append(f"{name}: {type(error).__name__}: {error}")
        progress(f"{name} took {time.monotonic() - began:.0f} s")
    if rows:
        print(table(rows, markdown=args.markdown))
    for text in failed:
        print(f"FAILED {text}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)

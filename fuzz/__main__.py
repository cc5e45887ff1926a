"""``python -m fuzz [TARGET …] [--runs 1000000] [--keep FOLDER]``: fuzz the targets one after the other.

Every target runs in a process of its own under atheris (libFuzzer); an input may take a second of the processor, the
process 500 MB.
Ends with 1 where something was found. The input stays in the folder; ``python -m fuzz TARGET --input FILE`` repeats it.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from fuzz.seeds import SEEDS, seeds

_SECONDS: Final = 60
"""By the clock on the wall, for what never ends; ``run.py`` holds inputs to a second of the processor."""
_MEGABYTES: Final = 500
_LONGEST: Final = 4096
_SHARE: Final = 15_000
"""Inputs of one process: the instrumentation keeps some kilobytes of each, whatever the target does."""
_ROOT: Final = Path(__file__).parents[1]


def main() -> int:
    """Run the targets."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(SEEDS))
    parser.add_argument("--runs", type=int, default=1_000_000, help="inputs for each target")
    parser.add_argument("--keep", type=Path, default=Path(".fuzz"), help="corpus and findings")
    parser.add_argument("--input", type=Path, help="run one target on one file")
    args = parser.parse_args()
    unknown = [name for name in args.targets if name not in SEEDS]
    if unknown:
        parser.error(f"no such target: {', '.join(unknown)}; there are {', '.join(SEEDS)}")
    if args.input is not None:
        from fuzz.targets import TARGETS

        TARGETS[args.targets[0]](args.input.read_bytes())
        return 0
    return max([_fuzz(name, args.runs, args.keep) for name in args.targets or SEEDS])


def _fuzz(name: str, runs: int, keep: Path) -> int:
    """Run a target, a share of the inputs in each process, as what the instrumentation leaves behind adds up."""
    corpus = keep / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds(name)):
        (corpus / f"seed-{number:05d}").write_bytes(seed)
    began = time.monotonic()
    done = memory = slowest = code = process = 0
    while done < runs and not code:
        process += 1
        code, told = _process(name, min(_SHARE, runs - done), process, keep)
        done += told["number_of_executed_units"]
        memory = max(memory, told["peak_rss_mb"])
        slowest = max(slowest, told["slowest_unit_time_sec"])
    took = time.monotonic() - began
    print(
        f"{name}: {done:,} inputs in {took:.0f} s, peak memory {memory} MB, slowest input {slowest} s: "
        f"{f'FOUND, see {keep / name}.log' if code else 'nothing found'}",
        flush=True,
    )
    return 1 if code else 0


def _process(name: str, runs: int, seed: int, keep: Path) -> tuple[int, dict[str, int]]:
    """One process; its exit code and libFuzzer's figures."""
    command = [
        sys.executable, "-m", "fuzz.run", name, str(keep / name), f"-runs={runs}", f"-timeout={_SECONDS}",
        f"-rss_limit_mb={_MEGABYTES}", f"-max_len={_LONGEST}", "-print_final_stats=1", f"-seed={seed}",
        f"-artifact_prefix={keep / name}-found-",
    ]  # fmt: skip
    log = keep / f"{name}.log"
    with log.open("wb") as output:
        code = subprocess.run(command, cwd=_ROOT, stdout=output, stderr=output, check=False).returncode
    found = re.findall(r"^stat::(\w+):\s+(\d+)$", log.read_text(errors="replace"), re.MULTILINE)
    told = {what: int(number) for what, number in found}
    # A process that died without figures has done something at least; without it the loop would not end.
    return code, {"number_of_executed_units": 1, "peak_rss_mb": 0, "slowest_unit_time_sec": 0, **told}


if __name__ == "__main__":
    sys.exit(main())

"""``python -m fuzz [TARGET …] [--runs 1000000] [--keep FOLDER]``: fuzz the targets one after the other.

Every target runs in a process of its own under atheris (libFuzzer); an input may take a second, the process 500 MB.
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

_SECONDS: Final = 1
_MEGABYTES: Final = 500
_LONGEST: Final = 4096
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
    corpus = keep / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds(name)):
        (corpus / f"seed-{number:05d}").write_bytes(seed)
    command = [
        sys.executable, "-m", "fuzz.run", name, str(corpus), f"-runs={runs}", f"-timeout={_SECONDS}",
        f"-rss_limit_mb={_MEGABYTES}", f"-max_len={_LONGEST}", "-print_final_stats=1", "-seed=1",
        f"-artifact_prefix={keep / name}-found-",
    ]  # fmt: skip
    began = time.monotonic()
    log = keep / f"{name}.log"
    with log.open("wb") as output:
        code = subprocess.run(command, cwd=_ROOT, stdout=output, stderr=output, check=False).returncode
    took = time.monotonic() - began
    said = log.read_text(errors="replace")

    def told(what: str) -> int:
        return int((re.findall(rf"^stat::{what}:\s+(\d+)$", said, re.MULTILINE) or ["0"])[-1])

    print(
        f"{name}: {told('number_of_executed_units'):,} inputs in {took:.0f} s, peak memory {told('peak_rss_mb')} MB, "
        f"slowest input {told('slowest_unit_time_sec')} s: {'nothing found' if code == 0 else f'FOUND, see {log}'}",
        flush=True,
    )
    return 1 if code else 0


if __name__ == "__main__":
    sys.exit(main())

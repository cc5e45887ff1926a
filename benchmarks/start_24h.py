"""Seconds from the start of the process to ready, with 24 h of 10,000 series at 15 s on disk.

The data are those of ``bytes_per_sample``. Ours are written by the store as the running program writes them (blocks as they
fall due, the rest in the log); Prometheus gets them by remote write.
"""

from __future__ import annotations

import time

from benchmarks import day
from benchmarks.figure import Figure, Scale  # noqa: TC001 - as in its siblings
from benchmarks.lab import Lab, progress
from benchmarks.start_ready import figures, starts
from benchmarks.watching import HYPERCARE, prometheus_yml

_LIMIT = 3


def run(scale: Scale) -> list[Figure]:
    """Medians of three starts each, or of one with four hours of a tenth."""
    times = scale(3, 1)
    with Lab() as lab:
        lab.write({"hypercare.yml": HYPERCARE, "prometheus.yml": prometheus_yml([])})
        hours = scale(24, 4)
        made = day.groups(int(time.time() * 1000), hours, scale(8, 1))
        series, total = sum(len(group.labels) for group in made), day.samples(made)
        progress(f"writing {total:,} samples of {series:,} series")
        db = day.into_hypercare(lab.folder / "full-h" / "metrics", made)
        assert not db.problems, db.problems
        db.close()
        peer = lab.prometheus("full-p")
        if peer is not None:
            peer.ready()
            day.send(peer, made)
            progress("Prometheus writes its blocks")
            time.sleep(scale(90, 1))
            peer.stop()
        progress(f"{times} starts each")
        took = starts(times, lambda _: lab.hypercare("full-h"), lambda _: lab.prometheus("full-p"))
    what = f"start to ready with {series:,} series x {hours} h"
    return figures(what, took, _LIMIT, f"medians of {times}; {total:,} samples of {len(made)} targets")

"""What this process tells of itself."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path

import psutil
import pytest

from hypercare.adapters.own_process import SystemProcess


def seen(process):
    return {reading.name: reading.samples[0][1] for reading in process.readings()}


def test_it_is_what_the_system_says():
    process, known = SystemProcess(), psutil.Process()
    with Path(os.devnull).open() as _:
        before = time.process_time()
        told = seen(process)
        # They count the directory that they read.
        assert told["process_open_fds"] == known.num_fds() - 1
        assert before <= told["process_cpu_seconds_total"] <= time.process_time()
    assert seen(process)["process_open_fds"] == told["process_open_fds"] - 1
    memory = known.memory_info()
    assert told["process_resident_memory_bytes"] == pytest.approx(memory.rss, rel=0.1)
    assert told["process_virtual_memory_bytes"] == pytest.approx(memory.vms, rel=0.1)
    assert told["process_start_time_seconds"] == pytest.approx(known.create_time(), abs=2)
    assert told["process_max_fds"] == resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def test_without_procfs_there_is_less(tmp_path):
    assert set(seen(SystemProcess(tmp_path))) == {"process_cpu_seconds_total", "process_max_fds"}


def test_a_name_with_brackets_and_an_unknown_start(tmp_path):
    (tmp_path / "self" / "fd").mkdir(parents=True)
    fields = ["S", *(str(n) for n in range(4, 53))]
    (tmp_path / "self" / "stat").write_text(f"7 (a) S (b c) {' '.join(fields)}\n")
    told = seen(SystemProcess(tmp_path))
    assert told["process_virtual_memory_bytes"] == 23
    assert told["process_resident_memory_bytes"] == 24 * resource.getpagesize()
    assert "process_start_time_seconds" not in told

from __future__ import annotations

import queue
import time

from hypercare.adapters.host import SystemHost, hostname
from hypercare.collectors.exposition import Series, parse
from hypercare.collectors.exposition.render import render

EXPECTED = [
    "node_boot_time_seconds",
    "node_context_switches_total",
    "node_cpu_seconds_total",
    "node_disk_read_bytes_total",
    "node_filefd_allocated",
    "node_filesystem_avail_bytes",
    "node_filesystem_files_free",
    "node_filesystem_size_bytes",
    "node_load1",
    "node_load15",
    "node_load5",
    "node_memory_MemAvailable_bytes",
    "node_memory_MemTotal_bytes",
    "node_memory_SwapTotal_bytes",
    "node_network_receive_bytes_total",
    "node_network_transmit_errs_total",
    "node_network_up",
    "node_procs_running",
    "node_processes_state",
    "node_time_seconds",
    "node_uname_info",
]


def readings():
    host, replies = SystemHost(), queue.Queue()
    host.submit(replies.put)
    found = replies.get(timeout=60)
    host.close()
    assert replies.empty()
    return found


def test_the_machine_is_read_under_node_exporters_names():
    families = {family.name: family for family in readings()}
    assert [name for name in EXPECTED if name not in families] == []
    assert abs(families["node_time_seconds"].samples[0][1] - time.time()) < 60
    modes = {dict(pairs)["mode"] for pairs, _ in families["node_cpu_seconds_total"].samples}
    assert {"user", "system", "idle", "iowait"} <= modes
    total = families["node_memory_MemTotal_bytes"].samples[0][1]
    assert 0 < families["node_memory_MemAvailable_bytes"].samples[0][1] <= total
    assert dict(families["node_uname_info"].samples[0][0])["nodename"] == hostname()


def test_what_is_read_can_be_written_and_read_back():
    families = readings()
    entries = list(parse(render(families), openmetrics=False))
    series = [entry.labels for entry in entries if isinstance(entry, Series)]
    assert len(series) == sum(len(family.samples) for family in families)
    assert len(set(series)) == len(series)


def test_shutdown_gives_a_reply():
    host, replies = SystemHost(), queue.Queue()
    host.close()
    host.submit(replies.put)
    assert replies.get(timeout=60) == ()

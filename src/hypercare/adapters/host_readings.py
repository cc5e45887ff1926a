"""Reads the machine with psutil, under node_exporter's names."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import psutil

from hypercare.ports import Reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_Sample: TypeAlias = tuple[tuple[tuple[str, str], ...], float]

# File systems that hold no data of their own; node_exporter leaves them out too.
_PSEUDO_FILE_SYSTEMS = frozenset({
    "autofs", "binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "devtmpfs", "fusectl",
    "hugetlbfs", "iso9660", "mqueue", "nsfs", "overlay", "proc", "procfs", "pstore", "rpc_pipefs", "securityfs",
    "selinuxfs", "squashfs", "sysfs", "tracefs",
})  # fmt: skip
_MEMORY = {
    "total": "MemTotal", "available": "MemAvailable", "free": "MemFree", "buffers": "Buffers", "cached": "Cached",
    "shared": "Shmem", "slab": "Slab", "active": "Active", "inactive": "Inactive",
}  # fmt: skip
_CPU_MODES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
_STATES = {"running": "R", "sleeping": "S", "disk-sleep": "D", "stopped": "T", "zombie": "Z", "idle": "I"}


def read_host() -> tuple[Reading, ...]:
    """All readings; a part of the system that cannot be read is left out."""
    found: list[Reading] = []
    for part in (_cpu, _memory, _load_and_time, _file_systems, _disks, _network, _processes, _system):
        try:
            found.extend(part())
        except (OSError, psutil.Error, NotImplementedError):
            continue
    return tuple(found)


def _counter(name: str, text: str, samples: Iterable[_Sample]) -> Reading:
    return Reading(name, "counter", text, tuple(samples))


def _gauge(name: str, text: str, value: float, *pairs: tuple[str, str]) -> Reading:
    return Reading(name, "gauge", text, ((pairs, float(value)),))


def _cpu() -> Iterator[Reading]:
    samples: list[_Sample] = []
    for number, times in enumerate(psutil.cpu_times(percpu=True)):
        for mode in _CPU_MODES:
            value = getattr(times, mode, None)
            if value is not None:
                samples.append(((("cpu", str(number)), ("mode", mode)), float(value)))
    yield _counter("node_cpu_seconds_total", "Seconds the CPUs spent in each mode.", samples)
    stats = psutil.cpu_stats()
    yield _counter("node_context_switches_total", "Context switches.", [((), float(stats.ctx_switches))])
    yield _counter("node_intr_total", "Interrupts serviced.", [((), float(stats.interrupts))])


def _memory() -> Iterator[Reading]:
    memory = psutil.virtual_memory()
    for field, name in _MEMORY.items():
        value = getattr(memory, field, None)
        if value is not None:
            yield _gauge(f"node_memory_{name}_bytes", f"Memory information: {name}.", value)
    swap = psutil.swap_memory()
    yield _gauge("node_memory_SwapTotal_bytes", "Memory information: SwapTotal.", swap.total)
    yield _gauge("node_memory_SwapFree_bytes", "Memory information: SwapFree.", swap.free)
    yield _counter("node_vmstat_pswpin", "Pages swapped in.", [((), swap.sin / 4096)])
    yield _counter("node_vmstat_pswpout", "Pages swapped out.", [((), swap.sout / 4096)])


def _load_and_time() -> Iterator[Reading]:
    for minutes, load in zip((1, 5, 15), os.getloadavg(), strict=True):
        yield _gauge(f"node_load{minutes}", f"{minutes}m load average.", load)
    yield _gauge("node_boot_time_seconds", "When the machine was started, unix seconds.", psutil.boot_time())
    yield _gauge("node_time_seconds", "System time, unix seconds.", time.time())


def _file_systems() -> Iterator[Reading]:
    names = {
        "size_bytes": "Size in bytes.",
        "free_bytes": "Free space in bytes.",
        "avail_bytes": "Space available to ordinary users in bytes.",
        "files": "File nodes in all.",
        "files_free": "Free file nodes.",
        "readonly": "Whether it is mounted read-only.",
    }
    samples: dict[str, list[_Sample]] = {name: [] for name in names}
    errors: list[_Sample] = []
    for mount in psutil.disk_partitions(all=True):
        if mount.fstype in _PSEUDO_FILE_SYSTEMS or mount.mountpoint.startswith(("/proc", "/sys", "/dev/", "/run/user")):
            continue
        labels = (("device", mount.device), ("fstype", mount.fstype), ("mountpoint", mount.mountpoint))
        try:
            stat = os.statvfs(mount.mountpoint)
        except OSError:
            errors.append((labels, 1.0))
            continue
        errors.append((labels, 0.0))
        values = (
            stat.f_blocks * stat.f_frsize, stat.f_bfree * stat.f_frsize, stat.f_bavail * stat.f_frsize,
            stat.f_files, stat.f_ffree, bool(stat.f_flag & os.ST_RDONLY),
        )  # fmt: skip
        for name, value in zip(names, values, strict=True):
            samples[name].append((labels, float(value)))
    for name, text in names.items():
        yield Reading(f"node_filesystem_{name}", "gauge", f"Filesystem: {text}", _unique(samples[name]))
    text = "Whether an error occurred while reading the file system."
    yield Reading("node_filesystem_device_error", "gauge", text, _unique(errors))


def _unique(samples: list[_Sample]) -> tuple[_Sample, ...]:
    """One sample a label set: a place mounted over shows what is on top, which is listed last."""
    return tuple(dict(samples).items())


def _disks() -> Iterator[Reading]:
    counters: dict[str, Any] = psutil.disk_io_counters(perdisk=True) or {}
    disks = {name: c for name, c in sorted(counters.items()) if not name.startswith(("loop", "ram", "zram", "fd"))}
    for name, field, factor, text in (
        ("reads_completed", "read_count", 1, "Reads completed."),
        ("writes_completed", "write_count", 1, "Writes completed."),
        ("read_bytes", "read_bytes", 1, "Bytes read."),
        ("written_bytes", "write_bytes", 1, "Bytes written."),
        ("read_time_seconds", "read_time", 1000, "Seconds spent by all reads."),
        ("write_time_seconds", "write_time", 1000, "Seconds spent by all writes."),
        ("io_time_seconds", "busy_time", 1000, "Seconds spent doing I/O."),
        ("reads_merged", "read_merged_count", 1, "Reads merged."),
        ("writes_merged", "write_merged_count", 1, "Writes merged."),
    ):
        samples = [((("device", disk),), getattr(c, field) / factor) for disk, c in disks.items() if hasattr(c, field)]
        yield _counter(f"node_disk_{name}_total", text, samples)


def _network() -> Iterator[Reading]:
    devices = sorted(psutil.net_io_counters(pernic=True).items())
    for direction, letters in (("receive", ("recv", "in")), ("transmit", ("sent", "out"))):
        for name, field in (
            ("bytes", f"bytes_{letters[0]}"),
            ("packets", f"packets_{letters[0]}"),
            ("errs", f"err{letters[1]}"),
            ("drop", f"drop{letters[1]}"),
        ):
            samples: list[_Sample] = [((("device", device),), float(getattr(c, field))) for device, c in devices]
            text = f"Network device statistic: {direction} {name}."
            yield _counter(f"node_network_{direction}_{name}_total", text, samples)
    states = sorted(psutil.net_if_stats().items())
    ups: list[_Sample] = [((("device", device),), float(state.isup)) for device, state in states]
    yield Reading("node_network_up", "gauge", "Whether the device is up.", tuple(ups))
    sizes: list[_Sample] = [((("device", device),), float(state.mtu)) for device, state in states]
    yield Reading("node_network_mtu_bytes", "gauge", "Largest transmission unit.", tuple(sizes))


def _processes() -> Iterator[Reading]:
    counts: dict[str, int] = {}
    threads = 0
    for process in psutil.process_iter(["status", "num_threads"]):
        state = _STATES.get(process.info["status"] or "", "?")
        counts[state] = counts.get(state, 0) + 1
        threads += process.info["num_threads"] or 0
    yield _gauge("node_procs_running", "Processes in runnable state.", counts.get("R", 0))
    yield _gauge("node_procs_blocked", "Processes waiting for I/O.", counts.get("D", 0))
    states: list[_Sample] = [((("state", state),), float(n)) for state, n in sorted(counts.items())]
    yield Reading("node_processes_state", "gauge", "Number of processes in each state.", tuple(states))
    yield _gauge("node_processes_pids", "Number of process ids in use.", sum(counts.values()))
    yield _gauge("node_processes_threads", "Threads in the system.", threads)


def _system() -> Iterator[Reading]:
    name = platform.uname()
    yield _gauge(
        "node_uname_info",
        "What the uname system call says.",
        1,
        ("machine", name.machine),
        ("nodename", name.node),
        ("release", name.release),
        ("sysname", name.system),
        ("version", name.version),
    )
    used, _, most = Path("/proc/sys/fs/file-nr").read_text(encoding="ascii").split()
    yield _gauge("node_filefd_allocated", "File descriptors in use.", int(used))
    yield _gauge("node_filefd_maximum", "File descriptors at most.", int(most))

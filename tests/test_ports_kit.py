"""Ports for servers of tests: each is given out once, and the system gives away none of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ports_kit import free_port

MORE = "from ports_kit import free_port; print(*(free_port() for _ in range(40)))"


def test_nobody_else_gets_them():
    mine = [free_port() for _ in range(40)]
    others = [
        subprocess.run(
            [sys.executable, "-c", MORE], cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        )
        for _ in range(2)
    ]
    theirs = [int(port) for each in others for port in each.stdout.split()]
    assert len(set(mine)) == 40
    assert set(mine) & set(theirs) == set()
    low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    if high - low < 40_000:
        assert [port for port in mine if low <= port <= high] == []

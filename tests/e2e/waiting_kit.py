"""Waiting for what comes when it comes."""

from __future__ import annotations

import time

import pytest


def wait_for(condition, seconds=90, what="condition"):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    pytest.fail(f"not within {seconds} s: {what}")

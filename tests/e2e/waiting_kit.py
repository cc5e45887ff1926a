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


def comes_to_hold(check, seconds=90):
    """Until a check of several things passes at one look; what a look misses may be a scrape that came too late."""
    end = time.monotonic() + seconds
    while True:
        try:
            return check()
        except (AssertionError, LookupError):
            if time.monotonic() > end:
                raise
        time.sleep(0.2)

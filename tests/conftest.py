"""Settings of all tests; ``--state postgresql`` has every State of theirs on a real PostgreSQL."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# No deadline: a slow machine is not a failure. In CI the same examples every time, so that a red run is the change's
# fault; new examples are looked for at every developer's run.
settings.register_profile("here", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "ci", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True, database=None
)
settings.load_profile("ci" if os.environ.get("CI") else "here")
# A fifth of the time of tests that build whole servers went into looking for cycles.
gc.set_threshold(100_000, 50, 100)
sys.path.insert(0, str(Path(__file__).parent))
from alone_kit import turns  # noqa: E402 -- found by the line above

POSTGRES = pytest.StashKey()
TURNS = turns()
# What the tests of such a file share takes long to make, or takes the machine: one worker runs them all.
TOGETHER = {
    "tests/browser/test_live_watch.py": "demo",
    "tests/demo/test_demonstration.py": "demo",
    "tests/demo/test_platform.py": "demo",
    "tests/e2e/test_beside_alertmanager.py": "beside",
    "tests/e2e/test_prometheus_api_peer.py": "prometheus api",
    "tests/rehearse/test_replay.py": "replay",
    "tests/routing/test_peer.py": "peer",
    "tests/state/test_every_table.py": "every table",
    "tests/state/test_replicas.py": "replicas",
    "tests/tsdb/test_every_byte.py": "every byte",
}
# Another program, a kill, or the clock of a busy machine take part in these: in CI one that fails is run once more, and
# the first failure is printed. Nobody runs it once more in `make kills` and `make storms`, which look for the rare one.
AGAIN = ("peer", "browser", "e2e")
WHOLE_FILES = ("tests/cli/", "tests/web/")


def pytest_addoption(parser):
    parser.addoption("--state", choices=("sqlite", "postgresql"), default="sqlite", help="database of the rooms' tests")


def pytest_configure(config):
    # A run in the background of a shell ignores Ctrl-C, and so would all that it starts.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if config.getoption("--state") == "postgresql":
        from postgres_kit import OnPostgres

        config.stash[POSTGRES] = OnPostgres()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """By file, as marks of groups do not reach the scheduler under pytest 9."""
    from xdist.scheduler import LoadScopeScheduling

    class Together(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file = nodeid.partition("::")[0]
            return TOGETHER.get(file, file if file.startswith(WHOLE_FILES) else nodeid)

    return Together(config, log)


def pytest_collection_modifyitems(items):
    if os.environ.get("CI"):
        for item in items:
            if any(item.get_closest_marker(name) for name in AGAIN):
                item.add_marker(pytest.mark.flaky(reruns=1, reruns_delay=5))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol():
    # First of all: what a test waits for its turn is none of the time it may take.
    with TURNS.beside() if TURNS else contextlib.nullcontext():
        return (yield)


@pytest.fixture(scope="session")
def alone():
    """A context in which no other worker runs a test: for what is compared with a clock."""
    return TURNS.alone if TURNS else contextlib.nullcontext


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item):
    postgres = item.config.stash.get(POSTGRES, None)
    if postgres is not None:
        postgres.part()


def pytest_terminal_summary(terminalreporter, config):
    for report in terminalreporter.getreports("rerun"):
        terminalreporter.write_sep("_", f"failed, then run once more: {report.nodeid}")
        report.toterminal(terminalreporter._tw)
    postgres = config.stash.get(POSTGRES, None)
    if postgres is not None:
        written, read = postgres.touched.untouched()
        terminalreporter.write_line(f"tables never written: {', '.join(written) or 'none'}")
        terminalreporter.write_line(f"tables never read: {', '.join(read) or 'none'}")

"""A real Chromium on pages of a real process."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

_spec = importlib.util.spec_from_file_location("e2e_conftest", Path(__file__).parents[1] / "e2e" / "conftest.py")
_e2e = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_e2e)
outside, serve, wait = _e2e.outside, _e2e.serve, _e2e.wait
_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
          "--disable-component-update", "--disable-sync"]  # fmt: skip


@pytest.fixture
def chromium():
    # Anew for each test: playwright keeps an event loop in this thread while it runs, which other tests could not bear.
    path = shutil.which("chromium")
    assert path, "install Debian's chromium: make peers"
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=path, args=_FLAGS, timeout=120_000)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium):
    context = chromium.new_context()
    context.set_default_timeout(60_000)
    yield context.new_page()
    context.close()

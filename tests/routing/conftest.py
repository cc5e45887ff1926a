"""Makes the kit beside the tests importable, and a house with the plain settings."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def house():
    from routing_kit import House, settings

    return House(settings())

"""Makes the kit importable."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def floor(tmp_path):
    from actions_kit import Floor

    made = []

    def make(actions):
        made.append(Floor(tmp_path, actions))
        return made[-1]

    yield make
    for each in made:
        each.app.close()

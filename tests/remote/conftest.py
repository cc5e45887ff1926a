from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "ingest"))
sys.path.insert(0, str(Path(__file__).parent))
from remote_kit import House


@pytest.fixture
def house(tmp_path):
    made = []

    def make(durable=True, **entry):
        if made:
            made[-1].close()
        made.append(House(tmp_path if durable else None, **entry))
        return made[-1]

    yield make
    made[-1].close()

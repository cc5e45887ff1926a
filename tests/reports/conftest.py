from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "web"))
from web_kit import Shop


@pytest.fixture
def make(tmp_path):
    made = []

    def build(more="", **kwargs):
        made.append(Shop(tmp_path, more, **kwargs))
        return made[-1]

    yield build
    for shop in made:
        shop.close()

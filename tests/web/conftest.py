from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import routes_kit
from web_kit import Shop

routes_kit.once()


@pytest.fixture
def make(tmp_path):
    made = []

    def build(more="", **kwargs):
        made.append(Shop(tmp_path, more, **kwargs))
        return made[-1]

    yield build
    for shop in made:
        shop.close()


@pytest.fixture
def shop(make):
    """A platform that runs well for a minute."""
    one = make()
    one.run(60)
    return one


@pytest.fixture
def broken(make):
    """A platform with a firing alert and an open incident."""
    one = make()
    one.break_it()
    return one

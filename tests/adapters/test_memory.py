from __future__ import annotations

import psutil
import pytest

from hypercare.adapters.memory import memory_limit


@pytest.mark.parametrize(
    ("text", "expected"), [("268435456\n", 268435456), ("max\n", None), ("9" * 18, None), ("", None), ("0", None)]
)
def test_the_limit_of_a_container_counts_where_it_is_lower(tmp_path, text, expected):
    file = tmp_path / "memory.max"
    file.write_text(text)
    assert memory_limit((tmp_path / "none", file)) == (expected or psutil.virtual_memory().total)

"""What hypercare.yml says of queries holds from the start on, and after a reload."""

from __future__ import annotations

import pytest

from hypercare.model.time import MINUTE
from hypercare.promql import LimitError, PromqlError

QUERY = """
metrics: {query: {enable_features: [promql-experimental-functions], max_samples: 10, lookback_delta: 2m}}
"""


def test_settings_of_queries(story, write):
    one = story().run(3 * MINUTE)
    engine, now = one.app.engine, one.clock.now()

    def ask(expr, at=now):
        return engine.instant(one.app.tsdb.snapshot(), expr, at)

    with pytest.raises(PromqlError, match="not enabled"):
        ask("limitk(1, load)")
    assert len(ask("load", now + 4 * MINUTE).labels) == 2
    one.reload(hypercare_yml=write.hypercare + QUERY)
    assert len(ask("limitk(1, load)").labels) == 1
    assert len(ask("load", now + 4 * MINUTE).labels) == 0
    with pytest.raises(LimitError, match="too many samples"):
        ask("sum_over_time(load[5m])")

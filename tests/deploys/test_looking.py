"""What a watch in memory does at its checkpoints."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from hypercare.config.deployments import DeployPlan
from hypercare.deploys.observation import Observation
from hypercare.deploys.schedule import checkpoints
from hypercare.judge.findings import Method
from hypercare.judge.series import Samples
from hypercare.model.time import MINUTE

PLAN = DeployPlan.model_validate({"checks": [{"name": "p95", "expr": "x", "tolerance": "5%"}]})
STEP = PLAN.sample_every


class Shelf:
    """A book of one check's drifts."""

    def __init__(self):
        self.drift = None

    def open(self, _, method=None):
        return (self.drift,) if method is Method.DRIFT and self.drift else ()

    def now(self, _ctx, _row, method, found, _points, _at):
        if method is Method.DRIFT:
            self.drift = found


def curve(values):
    return Samples((np.arange(len(values), dtype=np.int64) + 1) * STEP, np.asarray(values, dtype=float))


def test_a_drift_goes_on_while_looks_become_stricter_and_ends_when_it_is_gone():
    usual = 0.4 * np.exp(np.random.default_rng(5).normal(0, 0.1, 288))
    watch = SimpleNamespace(plan=PLAN, service="api", version="v2", previous="v1", color="", other_color="",
                            started_at=0, ends_at=PLAN.end)  # fmt: skip
    begun = tuple(at for at, _, _ in checkpoints(PLAN, 0))
    seen_by = {}
    for known in (False, True):
        shelf = Shelf()
        observed = Observation(watch, shelf, begun, 0)
        observed.take_baselines({"p95": (curve(usual), "")})
        (seen,) = observed.seen.values()
        for now, level in ((60 * MINUTE, 1.09), (75 * MINUTE, 1.09), (4 * 60 * MINUTE, 1.0)):
            seen.coarse.add(curve(np.full(now // STEP, 0.4 * level)))
            shelf.drift = shelf.drift if known else None
            observed.look(SimpleNamespace(now=now))
            seen_by[known, now] = shelf.drift is not None
    assert seen_by[False, 60 * MINUTE]
    assert not seen_by[False, 75 * MINUTE]
    assert seen_by[True, 75 * MINUTE]
    assert not seen_by[True, 4 * 60 * MINUTE]

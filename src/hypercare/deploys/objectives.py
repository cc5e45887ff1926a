"""A plan with the objectives of the service that is deployed: their error budgets are watched, too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hypercare.config.deployments import Check
from hypercare.config.objectives import objectives_of
from hypercare.model.time import MINUTE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypercare.config.deployments import DeployPlan
    from hypercare.config.services import Service

_WINDOW: Final = 5 * MINUTE


def with_objectives(plan: DeployPlan, service: str, services: Sequence[Service]) -> DeployPlan:
    """The plan, and where none of its checks names an ``slo``: one check for each objective of the service.

    They only look at burn rates; a watch may succeed while they are unknown, since it did so without them.
    """
    known = next((each for each in services if each.name == service), None)
    if known is None or any(check.slo is not None for check in plan.all_checks()):
        return plan
    checks = tuple(
        Check(
            name=f"error budget: {each.name}", expr=each.bad_over(_WINDOW), services=(service,), ratio=True,
            compare=False, required=False, slo=each.percent,
        )
        for each in objectives_of(known)
    )  # fmt: skip
    return plan.model_copy(update={"checks": (*plan.checks, *checks)}) if checks else plan

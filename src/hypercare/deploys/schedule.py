"""When a watch looks: its checkpoints, in phases, with the verdicts among them; and the names of its timers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from hypercare.config.deployments import DeployPhase, DeployPlan
    from hypercare.model.time import Ms

TICK: Final = "deploys.tick"
"""A look at the limits."""
LOOK: Final = "deploys.look"
"""A checkpoint."""
REMIND: Final = "deploys.remind"
"""People are told that a checkpoint is near."""
SIGN: Final = "deploys.sign"
"""A checkpoint was to be signed by now."""


def checkpoints(plan: DeployPlan, started: Ms) -> list[tuple[Ms, str, bool]]:
    """All checkpoints: when, in which phase, whether something is concluded at it."""
    found: dict[Ms, str] = {}
    begin: Ms = 0
    for phase in plan.phases:
        at = begin + phase.every
        while at < phase.until:
            found[at] = phase.name
            at += phase.every
        found[phase.until] = phase.name
        begin = phase.until
    for at in plan.verdict_times:
        found.setdefault(at, phase_at(plan, at).name)
    return [(started + at, found[at], at in plan.verdict_times) for at in sorted(found)]


def extended(plan: DeployPlan, ends_at: Ms) -> list[tuple[Ms, str, bool]]:
    """The checkpoints of an extension: as in the last phase, with a conclusion at its end."""
    last = plan.phases[-1]
    dues = [*range(ends_at + last.every, ends_at + plan.extend, last.every), ends_at + plan.extend]
    return [(due, last.name, due == dues[-1]) for due in dues]


def phase_at(plan: DeployPlan, since: Ms) -> DeployPhase:
    """The phase in which an instant lies (ms since the deployment); after the last one: the last."""
    return next((phase for phase in plan.phases if since <= phase.until), plan.phases[-1])

"""A service of the virtual world: what its traffic, limits, faults and releases do to its metrics."""

from __future__ import annotations

import dataclasses
import zoneinfo
from typing import TYPE_CHECKING, Final

from hypercare.model.time import MINUTE, to_datetime
from hypercare.ports import HttpRequest, PortError
from hypercare.sim.chance import Chance
from hypercare.sim.exposed import Exposed, Truth
from hypercare.sim.platform import truth_of
from hypercare.sim.scenario import DAYS, Fault, Hidden, Release, Service, Traffic
from hypercare.sim.world import ok

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    from hypercare.model.time import Ms
    from hypercare.sim.world import Answer, World

_NEVER: Final = 600_000
_LATENCY_OF_PAGE: Final = 5


@dataclasses.dataclass(slots=True, eq=False)
class Active:
    """A fault while it lasts."""

    fault: Fault
    since: Ms
    until: Ms | None = None

    def holds(self, now: Ms) -> bool:
        """Whether it does at an instant."""
        return self.since <= now and (self.until is None or now < self.until)


class Variant:
    """One release of a service as it runs: its version, its colour, its processes.

    Attributes:
        share: of the service's traffic.
        hidden: the faults that came with it.
        depth: tasks that wait.
        leaked: bytes.

    """

    def __init__(self, version: str, color: str, share: float, now: Ms) -> None:
        self.version, self.color, self.share = version, color, share
        self.hidden: list[Active] = []
        self.started = now
        self.depth = 0.0
        self.leaked = 0.0
        self.page: Exposed | None = None
        self.last = self.judged = self.fresh_until = now

    def restart(self, now: Ms) -> None:
        """New processes: counters at zero, memory as at the beginning, the queue is kept elsewhere."""
        self.started, self.leaked = now, 0.0
        self.page = None
        self.last = self.judged = self.fresh_until = now


class SimService:
    """One service and its targets.

    Args:
        name: as in the scenario.
        plan: what the scenario says of it.
        targets: ``host:port`` and the colour that is served there (empty: every colour).
        named: whether scraping puts a label ``service`` on what it finds; else the page has it.

    """

    def __init__(
        self, world: World, name: str, plan: Service, targets: dict[str, str], *, named: bool, seed: int
    ) -> None:
        self.name, self.plan, self.targets = name, plan, targets
        self.faults: list[Active] = []
        self._world = world
        self._named = named
        self._chance = Chance(seed, f"service/{name}")
        self._zone = zoneinfo.ZoneInfo(plan.traffic.timezone)
        self._away_until: Ms = 0
        now = world.clock.now()
        self.variants = [Variant(plan.version, plan.color, 1.0, now)]
        self._before: list[tuple[str, str, float]] = []
        for target in targets:
            world.host(target, self._answer)
        world.closed.append(self._closed)

    # -- what happens to it -------------------------------------------------------------------------------------

    def suffer(self, fault: Fault, lasting: Ms | None) -> Active:
        """A fault begins."""
        now = self._world.clock.now()
        active = Active(fault, now, None if lasting is None else now + lasting)
        self.faults.append(active)
        self._stale()
        if active.until is not None:
            self._world.at(active.until, self._stale)
        return active

    def repair(self) -> bool:
        """Somebody ends what is wrong, in the service and in its releases; whether anything was."""
        now = self._world.clock.now()
        wrong = [a for a in self._everything() if a.holds(now)]
        for active in wrong:
            active.until = now
        leaking = any(variant.leaked for variant in self.variants)
        if leaking:
            self.restart()
        self._stale()
        return bool(wrong) or leaking

    def deploy(self, release: Release) -> None:
        """A version goes out: instead of the one that runs, or with another colour beside it."""
        now = self._world.clock.now()
        self._before = [(v.version, v.color, v.share) for v in self.variants]
        fresh = Variant(release.version, release.color, release.share, now)
        kept = [v for v in self.variants if release.color and v.color != release.color]
        for variant in kept:
            variant.share *= 1 - release.share
        if not kept:
            fresh.share = 1.0
        hides = release.hides
        if hides != Hidden():
            fresh.hidden.append(Active(hides, now + hides.after))
            self._world.at(now + hides.after, self._stale)
        self.variants = [*kept, fresh]
        self._stale()

    def roll_back(self) -> bool:
        """To the release before, without what the last one hid; whether there was one."""
        if not self._before:
            return False
        now = self._world.clock.now()
        self.variants = [Variant(version, color, share, now) for version, color, share in self._before]
        self._before = []
        self._stale()
        return True

    def retire(self) -> None:
        """Only the release that went out last serves from now on."""
        self.variants = self.variants[-1:]
        self.variants[0].share = 1.0
        self._before = []
        self._stale()

    def beside(self, color: str) -> str:
        """The colour that serves beside one; nothing where none does."""
        return next((v.color for v in self.variants if v.color != color), "")

    def restart(self) -> None:
        """All processes end and start again."""
        now = self._world.clock.now()
        for variant in self.variants:
            variant.restart(now)
        self._away_until = now + self.plan.restarts_in

    @property
    def previous(self) -> str:
        """The version before the last release, or nothing."""
        return self._before[-1][0] if self._before else ""

    # -- what is seen of it -------------------------------------------------------------------------------------

    def health(self, now: Ms) -> PortError | None:
        """Why it does not answer, or none."""
        if self._is(now, "down") or now < self._away_until:
            return PortError("refused", "connection refused", 0.001, now)
        return None

    def _closed(self, address: str) -> bool:
        now = self._world.clock.now()
        return address in self.targets and (self.health(now) is not None or self.unreachable(now))

    def unreachable(self, now: Ms) -> bool:
        """Whether packets are lost on the way."""
        return self._is(now, "unreachable")

    def _answer(self, request: HttpRequest, now: Ms) -> Answer:
        if self.unreachable(now):
            return PortError("timeout", "timed out", 0.0, now), _NEVER
        error = self.health(now)
        if error is not None:
            return error, 1
        color = self.targets[_host(request.url)]
        pages = [self._page(v, now) for v in self.variants if not color or v.color in {"", color}]
        body = b"" if self._is(now, "silent") else b"".join(pages)
        return ok(body, now, _LATENCY_OF_PAGE / 1000), _LATENCY_OF_PAGE

    def _page(self, variant: Variant, now: Ms) -> bytes:
        if variant.page is None or now >= variant.fresh_until:
            truth = self._truth(variant, now, (now - variant.judged) / 1000)
            variant.judged, variant.fresh_until = now, now + MINUTE
            if variant.page is None:
                variant.page = Exposed(self._chance, truth)
            else:
                variant.page.take(truth)
        _pass(variant, now)
        return variant.page.text()

    def _truth(self, variant: Variant, now: Ms, seconds: float) -> Truth:
        holding = [a.fault for a in (*self.faults, *variant.hidden) if a.holds(now)]
        arriving = 0.0 if any(fault.down for fault in holding) else self._arriving(now) * variant.share
        for fault in holding:
            arriving *= fault.traffic
        variant.leaked += (self.plan.memory.leak + sum(f.leak for f in holding)) * seconds
        memory = self.plan.memory
        if memory.limit and memory.size + variant.leaked > memory.limit:
            variant.started, variant.leaked = now, 0.0
            if variant.page is not None:
                variant.page.reset()
        known = ("" if self._named else self.name, variant.version, variant.color)
        labels = {name: value for name, value in zip(("service", "version", "color"), known, strict=True) if value}
        return truth_of(self.plan, holding, variant, arriving, labels, self._chance, seconds)

    def _arriving(self, now: Ms) -> float:
        traffic = self.plan.traffic
        factor = by_hour(traffic, to_datetime(now).astimezone(self._zone)) * traffic.rate
        return max(factor * (1 + traffic.noise * self._chance.normal()), 0.0)

    def _is(self, now: Ms, what: str) -> bool:
        return any(getattr(a.fault, what) and a.holds(now) for a in self._everything())

    def _everything(self) -> Iterator[Active]:
        yield from self.faults
        for variant in self.variants:
            yield from variant.hidden

    def _stale(self) -> None:
        """What is known of the truth holds no more."""
        now = self._world.clock.now()
        self.faults = [a for a in self.faults if a.until is None or a.until > now]
        for variant in self.variants:
            _pass(variant, now)
            variant.fresh_until = now


def _pass(variant: Variant, now: Ms) -> None:
    """Count what came since the last time, by what has held since."""
    if variant.page is not None:
        variant.page.advance((now - variant.last) / 1000)
    variant.last = now


def by_hour(traffic: Traffic, when: dt.datetime) -> float:
    """The factor of the traffic at a moment: between two hours that are given it goes over evenly."""
    whole = traffic.weekdays.get(DAYS[when.weekday()], 1.0)
    if not traffic.hours:
        return whole
    given = sorted(traffic.hours)
    at = when.hour + when.minute / 60
    before = max((h for h in given if h <= at), default=given[-1] - 24)
    after = min((h for h in given if h > at), default=given[0] + 24)
    part = (at - before) / (after - before)
    low, high = traffic.hours[before % 24], traffic.hours[after % 24]
    return whole * (low + (high - low) * part)


def _host(url: str) -> str:
    return url.partition("://")[2].partition("/")[0]

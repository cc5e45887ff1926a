"""Whatever happens in whatever order: what is held back or taken pages nobody; what calls for somebody is paged."""

from __future__ import annotations

from desk_kit import NOON, Desk
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from hypercare.incidents.commands import Unacknowledge
from hypercare.incidents.settings import IncidentSettings
from hypercare.incidents.store import load_latest, load_timeline
from hypercare.kernel import Delivered, Retry
from hypercare.model.alerts import Alert
from hypercare.model.events import AlertsReceived
from hypercare.model.labels import Labels
from hypercare.model.matchers import Matcher, MatchOp
from hypercare.model.time import HOUR, MINUTE, SECOND
from hypercare.oncall.plan import Person, Plan, Policy, Step
from hypercare.routing.commands import ExpireSilence, PutSilence
from hypercare.routing.inhibition import InhibitRule
from hypercare.routing.service import RoutingService
from hypercare.routing.settings import RoutingSettings
from hypercare.routing.tree import RouteSpec, build_tree

PEOPLE = tuple(Person(name, ("console",)) for name in ("ada", "bob"))
POLICY = Policy("default", (Step(0, ("ada",)), Step(10 * MINUTE, ("bob",))), 0, 10 * MINUTE)


def eq(name, value):
    return Matcher(name, MatchOp.EQUAL, value)


ROUTING = RoutingSettings(
    build_tree(RouteSpec("chat", group_by=("alertname",), group_wait=10 * SECOND, group_interval=MINUTE)),
    {"chat": ()},
    inhibit_rules=(InhibitRule((eq("alertname", "Cause"),), (eq("alertname", "High"),), ("instance",)),),
)


class House(Desk):
    """Routing, incidents and on-call together, and what is true of the alerts."""

    def __init__(self, path, *, confirm):
        self.up = True
        self.firing, self.causes, self.silences, self.wrong = {}, {}, {}, []
        self.made = 0
        super().__init__(Plan(PEOPLE, policies=(POLICY,)), IncidentSettings(confirm=confirm), path)

    def start(self):
        self.post.answer = self.take
        super().start()

    def reload(self, plan=None, incidents=None):
        if not hasattr(self, "routing") or self.routing_of is not self.kernel:
            self.routing, self.routing_of = RoutingService(lambda s: s), self.kernel
            self.routing.register(self.kernel)
        self.plan, self.settings = plan or self.plan, incidents or self.settings

        def run(ctx):
            self.routing.apply(ctx, ROUTING)
            self.incidents.apply(ctx, self.settings)
            self.oncall.apply(ctx, self.plan)

        self.do(run)

    def take(self, effect):
        if self.latest().status != "open" or not self.calls():
            self.wrong.append((self.clock.now() - NOON, effect.target))
        return Delivered() if self.up else Retry("down")

    def latest(self):
        with self.state.read() as db:
            return load_latest(db, '[["alertname", "High"], ["service", ""]]')

    def calls(self):
        """Alerts that fire and are held back by nothing."""
        now = self.clock.now()
        return [
            i for i in self.firing if i not in self.causes and not any(s == i and now <= e for s, e in self.held(now))
        ]

    def held(self, now):
        return [(i, ends) for i, ends in self.silences.values() if ends >= now]

    def alert(self, name, instance, starts_at, ends_at=None, **labels):
        return Alert(Labels.of(alertname=name, instance=instance, **labels), starts_at=starts_at, ends_at=ends_at)

    def act(self, action, instance, minutes):
        now = self.clock.now()
        if action == "fire" and instance not in self.firing:
            self.firing[instance] = now
            self.publish(AlertsReceived((self.alert("High", instance, now, severity="critical"),)))
        elif action == "end" and instance in self.firing:
            began = self.firing.pop(instance)
            self.publish(AlertsReceived((self.alert("High", instance, began, now, severity="critical"),)))
        elif action == "cause" and instance not in self.causes:
            self.causes[instance] = now
            self.publish(AlertsReceived((self.alert("Cause", instance, now),)))
        elif action == "uncause" and instance in self.causes:
            began = self.causes.pop(instance)
            self.publish(AlertsReceived((self.alert("Cause", instance, began, now),)))
        elif action == "silence":
            ends = now + minutes * MINUTE + 7 * SECOND
            found = self.call(PutSilence(((eq("instance", instance), eq("alertname", "High")),), now, ends))
            self.silences[found] = instance, ends
        elif action == "expire" and self.silences:
            found = min(self.silences)
            self.call(ExpireSilence(found))
            # The last instant of a silence still counts.
            self.silences[found] = self.silences[found][0], min(self.silences[found][1], now - 1)
        elif action in {"down", "up"}:
            self.up = action == "up"
        elif action == "restart":
            self.restart(after=0)
        else:
            self.answer(action)

    def answer(self, action):
        incident = self.latest()
        if action == "ack" and incident is not None and incident.status == "open":
            self.ack(incident.id)
        elif action == "unack" and incident is not None and incident.status == "acknowledged":
            self.call(Unacknowledge(incident.id, "ada"))


KINDS = [
    "fire",
    "fire",
    "end",
    "cause",
    "uncause",
    "silence",
    "silence",
    "expire",
    "down",
    "up",
    "restart",
    "ack",
    "unack",
]
ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(KINDS), st.sampled_from(["1", "2"]), st.integers(1, 25), st.sampled_from([0, 1, 4, 12, 30])
    ),
    max_size=14,
)


@settings(max_examples=25, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(ACTIONS, st.booleans(), st.booleans())
def test_only_what_calls_for_somebody_is_paged_and_always(tmp_path_factory, actions, confirm, up):
    house = House(tmp_path_factory.mktemp("s") / "state.db", confirm=confirm)
    house.up = up
    for action, instance, minutes, wait in [("fire", "1", 1, 1), *actions]:
        house.act(action, instance, minutes)
        house.wait(wait * MINUTE + SECOND)
    house.up = True
    house.wait(3 * HOUR)
    assert house.wrong == []
    incident = house.latest()
    if not house.calls() or incident.status == "acknowledged":
        return
    assert incident.status == "open"
    with house.state.read() as db:
        story = load_timeline(db, incident.id)
    begun = max(e.at for e in story if e.kind in {"opened", "reopened", "unacknowledged"})
    assert {e.data["person"] for e in story if e.kind == "page_delivered" and e.at >= begun} == {"ada", "bob"}
    house.state.close()

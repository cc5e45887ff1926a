"""In the loop: contents that follow a delivery, messages that are changed without buttons, a mail's links after a restart."""

from __future__ import annotations

from channels_kit import FIRING, T0, alertmanager, notification, replace

from hypercare.channels.commands import SendTest
from hypercare.channels.dispatcher import Dispatcher
from hypercare.channels.fake import refused
from hypercare.channels.memory import load_open, recall
from hypercare.channels.opsgenie.fake import FakeOpsgenie
from hypercare.channels.service import ChannelsService
from hypercare.channels.slack.fake import FakeSlack
from hypercare.kernel import Effect, Kernel, Outbox
from hypercare.model.labels import Labels
from hypercare.sim import Simulation, VirtualClock, World, virtual_ports
from hypercare.state import State


class House:
    def __init__(self, receiver, **shared):
        self.clock = VirtualClock(T0)
        self.world = World(self.clock)
        ports = virtual_ports(self.clock, self.world)
        self.state = State.open(None)
        self.dispatcher = Dispatcher(ports, lambda target, subject: recall(self.state, target, subject))
        self.dispatcher.take(alertmanager(receiver, **{"global": shared}))
        self.kernel = Kernel(self.state, ports, Outbox(self.dispatcher))
        ChannelsService(self.dispatcher, ports.files).register(self.kernel)
        self.kernel.on_message(list, lambda ctx, effects: [ctx.emit(effect) for effect in effects])
        self.sim = Simulation(self.kernel, self.world, self.clock)
        self.kernel.start()

    def notify(self, key, told):
        integration = self.dispatcher.integrations["oncall"][0]
        lane = f"group:g|{integration.target}"
        effect = Effect(key, integration.channel, integration.target, "group:g", integration.render(told), lane)
        self.kernel.call([effect])
        self.sim.run_for(5_000)
        assert self.kernel.failures == 0


def test_opsgenies_texts_are_changed_after_the_alert_exists():
    house, fake = House({"opsgenie_configs": [{"api_key": "fake-key", "update_alerts": True}]}), FakeOpsgenie()
    house.world.host("api.opsgenie.com", fake.answer)
    house.notify("one", notification(FIRING))
    assert [(r.method, r.url.rpartition("/")[2]) for r in fake.requests] == [
        ("POST", "alerts"), ("PUT", "message?identifierType=alias"), ("PUT", "description?identifierType=alias"),
    ]  # fmt: skip
    [alert] = fake.alerts.values()
    assert alert["message"] == "[FIRING:1] HighApiErrorRate (a api critical)"
    fake.trouble(refused())
    house.notify("two", notification(FIRING))
    # What was refused has no sequel.
    assert len(fake.requests) == 4


def test_update_message_alone_changes_the_message_and_adds_nothing():
    receiver = {"slack_configs": [{"channel": "#ops", "send_resolved": True, "update_message": True}]}
    house, slack = House(receiver, slack_app_token="xoxb-fake"), FakeSlack()
    house.world.host("slack.com", slack.answer)
    house.notify("one", notification(FIRING))
    [message] = slack.messages
    assert message.buttons == {}
    house.notify("two", notification(FIRING, replace(FIRING, labels=Labels.of(alertname="Other"))))
    assert slack.messages == [message]
    assert (message.edits, "[FIRING:2]" in message.text) == (1, True)
    with house.state.read() as db:
        [known] = load_open(db)
    assert len(known.alerts) == 2


def test_without_it_every_notification_is_a_message_of_its_own():
    house, slack = House({"slack_configs": [{"channel": "#ops"}]}, slack_app_token="xoxb-fake"), FakeSlack()
    house.world.host("slack.com", slack.answer)
    house.notify("one", notification(FIRING))
    house.notify("two", notification(FIRING))
    assert [m.edits for m in slack.messages] == [0, 0]


def test_a_test_of_an_integration_is_nobodys_message():
    house, slack = House({"slack_configs": [{"channel": "#ops"}]}, slack_app_token="xoxb-fake"), FakeSlack()
    house.world.host("slack.com", slack.answer)
    sent = house.kernel.call(SendTest("oncall", by="ada"))
    house.sim.run_for(2_000)
    assert [s.channel for s in sent.result(0)] == ["slack"]
    assert "HypercareTest" in slack.messages[0].text
    with house.state.read() as db:
        assert load_open(db) == ()

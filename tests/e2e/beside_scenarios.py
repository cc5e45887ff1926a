"""The timed scenarios of test_beside_alertmanager.py, by group; groups wait 1 s, then 2 s unless a route says otherwise."""

from __future__ import annotations

from beside_kit import FAR, Play, Push, Scenario, Step, expire, fire, resolve, silence

ALWAYS = {"name": "always", "time_intervals": [{"weekdays": ["sunday:saturday"]}]}
NEVER = {"name": "never", "time_intervals": [{"years": ["2001"]}]}
BERLIN = {"name": "berlin", "time_intervals": [{"months": ["1:12"], "location": "Europe/Berlin"}]}
CRITICAL_MUTES_WARNING = {"source_matchers": ['severity="critical"'], "target_matchers": ['severity="warning"']}
TWO = {"": [{}, {"send_resolved": False}]}
NO_END = {"send_resolved": False}

STEADY: dict[str, Scenario] = {
    # First, as scenarios begin one after the other, and these must begin with the play.
    "muted until the minute": Scenario((fire(0, "Down/a"), resolve(28, "Down/a")), {"mute_time_intervals": ["this minute"]}),
    "active until the minute": Scenario((fire(0, "Down/a"), fire(16, "Down/b")), {"active_time_intervals": ["this minute"]}),
    "active from the minute": Scenario((fire(0, "Down/a"),), {"active_time_intervals": ["next minute"]}),
    # -- grouping ----------------------------------------------------------------------------------------------
    "one group by alertname": Scenario((fire(0, "Down/a", "Down/b", "Slow/a"),)),
    "group by two labels": Scenario(
        (fire(0, "Down/a", "Down/b", cluster="eu"), fire(0.3, "Down/c", cluster="us"), fire(0.6, "Slow/a", cluster="us")),
        {"group_by": ["cluster", "alertname"]},
    ),
    "group by everything": Scenario((fire(0, "Down/a", "Down/b"), fire(2, "Down/a", cluster="eu")), {"group_by": ["..."]}),
    "an empty group_by is inherited": Scenario((fire(0, "Down/a", "Slow/a"),), {"group_by": []}),
    "group by a label nobody has": Scenario((fire(0, "Down/a", "Slow/b"),), {"group_by": ["team"]}),
    "joins within group_wait": Scenario((fire(0, "Down/a"), fire(0.6, "Down/b"))),
    "joins after group_wait": Scenario((fire(0, "Down/a"), fire(2, "Down/b"), fire(4, "Down/c", "Down/d"))),
    "sent again and again": Scenario(tuple(fire(t, "Down/a", starts=0) for t in range(0, 12, 2))),
    "annotations change": Scenario(
        (fire(0, "Down/a", note="bad"), fire(2, "Down/a", starts=0, note="worse"), fire(4, "Down/b", note="bad"))
    ),
    "began long ago": Scenario((fire(0, "Down/a", starts=-60), fire(0.6, "Down/b"))),
    "labels that are empty or missing": Scenario(
        (Step(0, "push", (Push({"alertname": "Down", "empty": ""}), Push({}))), fire(2, "Down", other=""))
    ),
    "odd label values": Scenario((fire(0, 'Dö"wn\\', "a\nb", "☂/ü,}"),)),
    # -- timing ------------------------------------------------------------------------------------------------
    "a longer group_wait": Scenario((fire(0, "Down/a"), fire(2, "Down/b"), fire(6, "Down/c")), {"group_wait": "3s"}),
    "no group_wait": Scenario((fire(0, "Down/a"), fire(1, "Down/b")), {"group_wait": "0s"}),
    "repeats": Scenario((fire(0, "Down/a"),), {"repeat_interval": "5s"}),
    "repeats faster than the group": Scenario((fire(0, "Down/a"),), {"repeat_interval": "1s", "group_interval": "3s"}),
    "repeats with a part resolved": Scenario(
        (fire(0, "Down/a", "Down/b"), resolve(4, "Down/a"), fire(6, "Down/c")), {"repeat_interval": "5s"}
    ),
    "repeat counts from the last news": Scenario((fire(0, "Down/a"), fire(4, "Down/b")), {"repeat_interval": "7s"}),
    # -- ends --------------------------------------------------------------------------------------------------
    "ends": Scenario((fire(0, "Down/a", "Down/b"), resolve(2, "Down/a"), resolve(6, "Down/b"))),
    "ends within group_wait": Scenario((fire(0, "Down/a"), resolve(0.5, "Down/a"), fire(4, "Down/b"))),
    "nobody is told of ends": Scenario(
        (fire(0, "Down/a", "Down/b"), resolve(2, "Down/a"), fire(4, "Down/c"), resolve(6, "Down/b", "Down/c")),
        receivers={"": [NO_END]},
    ),
    "two integrations, one without ends": Scenario((fire(0, "Down/a", "Down/b"), resolve(2, "Down/a"), resolve(6, "Down/b")),
                                                   receivers=TWO),
    "ends and begins between two flushes": Scenario((fire(0, "Down/a"), resolve(1.6, "Down/a"), fire(2.3, "Down/a"))),
    "begins again after its end was told": Scenario((fire(0, "Down/a"), resolve(2, "Down/a"), fire(6, "Down/a"))),
    "ends at the promised time": Scenario((fire(0, "Down/a", ends=4), fire(0, "Down/b"))),
    "a promise is moved": Scenario((fire(0, "Down/a", ends=4), fire(2, "Down/a", starts=0, ends=8))),
    "not sent again, without an end": Scenario((fire(0, "Down/a", starts=0, ends=None), fire(0, "Down/b"))),
    "an end that nobody knew": Scenario((resolve(0, "Down/a"), fire(2, "Down/b"))),
    "flaps all the time": Scenario(
        tuple(s for t in range(0, 16, 4) for s in (fire(t, "Down/a"), resolve(t + 2, "Down/a", starts=t)))
    ),
    # -- routes ------------------------------------------------------------------------------------------------
    "continue": Scenario(
        (fire(0, "Down/a", severity="critical"), fire(0, "Down/b", severity="warning"), fire(0, "Down/c")),
        {"routes": [
            {"receiver": "/pager", "matchers": ["severity=critical"], "continue": True},
            {"receiver": "/chat", "matchers": ["severity=~critical|warning"]},
            {"receiver": "/rest", "matchers": ["alertname=Down"]},
        ]},
    ),
    "nested routes inherit": Scenario(
        (fire(0, "Down/a", "Down/b", team="db", severity="critical"), fire(0, "Down/c", team="db"), fire(0, "Down/d")),
        {"group_by": ["team"], "routes": [
            {"matchers": ["team=db"], "receiver": "/db", "group_wait": "2s", "routes": [
                {"matchers": ["severity=critical"], "group_by": ["instance"]}]}]},
    ),
    "regular expressions and negations": Scenario(
        (fire(0, "Down/a", severity="critical"), fire(0, "Slow/bb", severity="info"), fire(0, "Full/abc")),
        {"routes": [
            {"matchers": ['alertname=~"D.*|F"'], "receiver": "/anchored"},
            {"matchers": ['alertname!~"F.*"', 'severity!="critical"'], "receiver": "/not"},
        ]},
    ),
    "absent labels in matchers": Scenario(
        (fire(0, "Down/a", team="db"), fire(0, "Down/b"), fire(0, "Down/c", team="")),
        {"routes": [{"matchers": ['team=""'], "receiver": "/without"}, {"matchers": ['team!=""'], "receiver": "/with"}]},
    ),
    "quotes in matchers": Scenario(
        (fire(0, "Down/a", city="München ☂"), fire(0, "Down/b", city='say "hi", {x}'), fire(0, "Down/c", city="a\nb")),
        {"routes": [
            {"matchers": ['city="München ☂"'], "receiver": "/umlaut"},
            {"matchers": ['city="say \\"hi\\", {x}"'], "receiver": "/quoted"},
            {"matchers": ['city=~"a\\nb"'], "receiver": "/line"},
        ]},
    ),
    "the old way to write matchers": Scenario(
        (fire(0, "Down/a", severity="critical"), fire(0, "Down/b", severity="warning"), fire(0, "Down/c", severity="x")),
        {"routes": [
            {"match": {"severity": "critical"}, "receiver": "/one"},
            {"match_re": {"severity": "w.*"}, "receiver": "/re"},
        ]},
    ),
    "the same receiver on two routes": Scenario(
        (fire(0, "Down/a", severity="critical"), resolve(4, "Down/a", severity="critical")),
        {"routes": [
            {"matchers": ["severity=critical"], "receiver": "/x", "continue": True},
            {"matchers": ["alertname=Down"], "receiver": "/x"},
        ]},
    ),
    "max_alerts": Scenario((fire(0, "Down/a", "Down/b", "Down/c"), resolve(2, "Down/b")), receivers={"": [{"max_alerts": 2}]}),
    # -- inhibition --------------------------------------------------------------------------------------------
    "inhibited from the start, until the source ends": Scenario(
        (fire(0, "Node/a", severity="critical"), fire(0.2, "Disk/a", "Disk/b", severity="warning"),
         resolve(4, "Node/a", severity="critical")),
        rules=({**CRITICAL_MUTES_WARNING, "equal": ["instance"]},),
    ),
    "inhibited after it was told": Scenario(
        (fire(0, "Disk/a", severity="warning"), fire(2, "Node/a", severity="critical"), fire(4, "Disk/b", severity="warning"),
         resolve(8, "Node/a", starts=2, severity="critical")),
        {"repeat_interval": "3s"}, rules=(CRITICAL_MUTES_WARNING,),
    ),
    "labels of equal that both lack": Scenario(
        (fire(0, "Node", severity="critical"), fire(0.2, "Disk", severity="warning"), fire(0.2, "Disk/b", severity="warning")),
        rules=({**CRITICAL_MUTES_WARNING, "equal": ["instance"]},),
    ),
    "an alert on both sides of a rule": Scenario(
        (fire(0, "Both/a", kind="x"), fire(0.2, "Both/b", kind="x"), fire(0.4, "Target/a", kind="y")),
        rules=({"source_matchers": ['kind="x"'], "target_matchers": ['kind=~"x|y"']},),
    ),
    "a source that is inhibited itself": Scenario(
        (fire(0, "A", kind="a"), fire(0.2, "B", kind="b"), fire(0.4, "C", kind="c"), resolve(4, "A", kind="a")),
        rules=(
            {"source_matchers": ['kind="a"'], "target_matchers": ['kind="b"']},
            {"source_matchers": ['kind="b"'], "target_matchers": ['kind="c"']},
        ),
    ),
    "a source that comes again": Scenario(
        (fire(0, "Node/a", severity="critical"), fire(0.2, "Disk/a", severity="warning"),
         resolve(2, "Node/a", severity="critical"), fire(4, "Node/a", severity="critical"),
         fire(4.2, "Disk/b", severity="warning")),
        rules=(CRITICAL_MUTES_WARNING,),
    ),
    "two sources, one ends": Scenario(
        (fire(0, "Node/a", "Node/b", severity="critical"), fire(0.2, "Disk/a", severity="warning"),
         resolve(2, "Node/a", severity="critical"), resolve(6, "Node/b", severity="critical")),
        rules=(CRITICAL_MUTES_WARNING,),
    ),
    "a silenced source inhibits still": Scenario(
        (silence(0, "s", ("alertname", "=", "Node")), fire(0.4, "Node/a", severity="critical"),
         fire(0.6, "Disk/a", severity="warning"), fire(0.6, "Free/a")),
        rules=(CRITICAL_MUTES_WARNING,),
    ),
    # -- silences ----------------------------------------------------------------------------------------------
    "silenced before": Scenario(
        (silence(0, "s", ("alertname", "=", "Down")), fire(0.4, "Down/a", "Slow/a"), expire(4.4, "s"))
    ),
    "silenced after it was told": Scenario(
        (fire(0, "Down/a"), silence(2, "s", ("alertname", "=", "Down")), fire(4, "Down/b"), expire(8, "s")),
        {"repeat_interval": "3s"},
    ),
    "told, silenced, ended, silence over": Scenario(
        (fire(0, "Down/a", "Down/b"), silence(2, "s", ("instance", "=", "a")), resolve(4, "Down/a"), expire(8, "s"),
         resolve(10, "Down/b"))
    ),
    "a silence ends by itself": Scenario((silence(0, "s", ("alertname", "=", "Down"), ends=6), fire(0.4, "Down/a"))),
    "a silence for later": Scenario(
        (silence(0, "s", ("alertname", "=", "Down"), begins=4, ends=10), fire(0.4, "Down/a"), fire(6, "Down/b"))
    ),
    "a silence is widened": Scenario(
        (silence(0, "s", ("instance", "=", "a")), fire(0.4, "Down/a", "Down/b"),
         silence(2.4, "s", ("instance", "=~", "a|c")), fire(2.8, "Down/c"), expire(6.4, "s"))
    ),
    "a silence is shortened": Scenario(
        (silence(0, "s", ("instance", "=", "a"), begins=0), fire(0.4, "Down/a"),
         silence(3, "s", ("instance", "=", "a"), begins=0, ends=6))
    ),
    "a silence with negations": Scenario(
        (silence(0, "s", ("instance", "!=", "a"), ("cluster", "!~", "e.*")), fire(0.4, "Down/a", "Down/b"),
         fire(0.4, "Down/c", cluster="eu"))
    ),
    "two silences, one expires": Scenario(
        (silence(0, "s", ("instance", "=", "a")), silence(0.2, "t", ("alertname", "=", "Down")), fire(0.6, "Down/a"),
         expire(2.6, "s"), expire(6.6, "t"))
    ),
    # -- time intervals ----------------------------------------------------------------------------------------
    "muted always": Scenario((fire(0, "Down/a"),), {"mute_time_intervals": ["never", "always"]}),
    "never active": Scenario((fire(0, "Down/a"),), {"active_time_intervals": ["never"]}),
    "active in Berlin": Scenario((fire(0, "Down/a"),), {"active_time_intervals": ["berlin"], "mute_time_intervals": ["never"]}),
    "intervals are not inherited": Scenario(
        (fire(0, "Down/a", severity="critical"), fire(0, "Down/b")),
        {"mute_time_intervals": ["always"], "routes": [{"matchers": ["severity=critical"], "receiver": "/c"}]},
    ),
}  # fmt: skip

RELOAD_AT = 8.4
RELOADED: dict[str, Scenario] = {
    "reloads": Scenario(
        (Step(4.4, "call", action=Play.refused_reload), fire(0, "Down/a"), resolve(13.2, "Down/a")),
    ),
    "nothing changes": Scenario((fire(0, "Down/a"), fire(13.2, "Down/b"))),
    "another receiver": Scenario((fire(0, "Down/a"), fire(13.2, "Down/b")), later={"receiver": "/other"}),
    "a route more": Scenario(
        (fire(0, "Down/a", severity="critical"), fire(0, "Down/b")),
        later={"routes": [{"receiver": "/pager", "matchers": ["severity=critical"]}]},
    ),
    "a route less": Scenario(
        (fire(0, "Down/a", severity="critical"), fire(0, "Slow/b"), resolve(13.2, "Down/a", severity="critical")),
        {"routes": [{"receiver": "/pager", "matchers": ["severity=critical"]}]}, {},
    ),
    "grouped otherwise": Scenario((fire(0, "Down/a", "Down/b"),), later={"group_by": ["instance"]}),
    "shorter intervals": Scenario(
        (fire(0, "Down/a"), fire(13.2, "Down/b")), {"group_interval": "1h"}, {"group_interval": "2s"}
    ),
    # (Two alerts of one group that wait here are no scenario: Alertmanager flushes its new group as soon as the first
    # of them is in it again, which one that is, is chance; we tell them together.)
    "repeats sooner": Scenario((fire(0, "Down/a"),), later={"repeat_interval": "5s"}),
    "a rule more": Scenario(
        (fire(0, "Node", severity="critical"), fire(11.3, "Disk", severity="warning")), later_rules=(CRITICAL_MUTES_WARNING,)
    ),
    "a rule less": Scenario(
        (fire(0, "Node", severity="critical"), fire(0.2, "Disk", severity="warning")),
        rules=(CRITICAL_MUTES_WARNING,), later_rules=(),
    ),
    "inhibited through the reload": Scenario(
        (fire(0, "Node", severity="critical"), fire(0.2, "Disk", severity="warning"),
         resolve(13.2, "Node", severity="critical")),
        rules=(CRITICAL_MUTES_WARNING,), raced="Disk",
    ),
    "silenced through the reload": Scenario(
        (silence(0, "s", ("alertname", "=", "Down")), fire(0.4, "Down/a"), expire(13.2, "s"))
    ),
    "an integration more": Scenario((fire(0, "Down/a"),), later_receivers={"": [{}, {}]}),
    "ends are told from now on": Scenario(
        (fire(0, "Down/a"), resolve(13.2, "Down/a")), receivers={"": [NO_END]}, later_receivers={"": [{}]}
    ),
    "ended before the reload, not yet told": Scenario((fire(0, "Down/a"), resolve(5, "Down/a")), {"group_interval": "11s"}),
    "muted from the reload": Scenario(
        (fire(0, "Down/a"), fire(11.3, "Down/b")), later={"mute_time_intervals": ["always"]}
    ),
}  # fmt: skip

STOP_AT = 4.0
AGAIN = 24.0
"""When senders send again after the restart, as Prometheus does: Alertmanager forgot all alerts."""
RESTARTED: dict[str, Scenario] = {
    "nothing happens": Scenario((fire(0, "Down/a"), fire(AGAIN, "Down/a", starts=0)), {"group_interval": "24s"}),
    # A new group of which the alerts began long ago is told at once over there; ours is told when its time has come.
    "ends meanwhile": Scenario((fire(0, "Down/a"), resolve(AGAIN, "Down/a")), {"group_interval": "23s800ms"}, behind=0.8),
    "one more meanwhile": Scenario(
        (fire(0, "Down/a"), Step(AGAIN, "push", (*fire(0, "Down/a", starts=0).alerts, *fire(0, "Down/b", starts=15).alerts))),
        {"group_interval": "23s800ms"}, behind=0.8,
    ),
    "silenced through the restart": Scenario(
        (silence(0, "s", ("alertname", "=", "Down")), fire(0.4, "Down/a", "Slow/a"),
         expire(22, "s"), fire(AGAIN, "Down/a", "Slow/a", starts=0.4)),
        {"group_interval": "22s600ms"},
    ),
    "a silence that ends meanwhile": Scenario(
        (silence(0, "s", ("alertname", "=", "Down"), ends=12), fire(0.4, "Down/a"), fire(AGAIN, "Down/a", starts=0.4)),
        {"group_interval": "22s600ms"},
    ),
    "begins after the restart": Scenario((fire(AGAIN, "Down/a"), resolve(26.5, "Down/a", starts=AGAIN))),
    "inhibited through the restart": Scenario(
        (fire(0, "Node", severity="critical"), fire(0.2, "Disk", severity="warning"),
         # Apart, as over there the one that came first would be told at once.
         fire(AGAIN, "Node", starts=0, severity="critical"), fire(AGAIN + 0.6, "Disk", starts=0.2, severity="warning")),
        {"group_interval": "23s200ms"}, rules=(CRITICAL_MUTES_WARNING,),
    ),
    "repeats after the restart": Scenario(
        (fire(0, "Down/a"), fire(AGAIN, "Down/a", starts=0)), {"group_interval": "23s", "repeat_interval": "22s"}
    ),
}  # fmt: skip

INTERVALS = [ALWAYS, NEVER, BERLIN]
__all__ = ["AGAIN", "FAR", "INTERVALS", "RELOADED", "RELOAD_AT", "RESTARTED", "STEADY", "STOP_AT"]

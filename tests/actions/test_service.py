"""Runs under the virtual clock: asked for, approved, guarded, tried again, cut short."""

from __future__ import annotations

import pytest

from hypercare.actions.commands import ApproveRun, RefuseRun, RunAction
from hypercare.kernel import CommandError
from hypercare.model.time import DAY, HOUR, MINUTE, SECOND
from hypercare.ports import HttpResponse, PortError
from hypercare.sim.processes import Behaviour

ROLLBACK = """
actions:
  - name: rollback
    command: [deployer, rollback, "$service", "--to=$previous"]
"""


def one(more):
    return ROLLBACK.rstrip() + "\n    " + more + "\n"


def test_it_runs_once_with_its_values_and_says_how_it_ended(floor):
    f = floor(ROLLBACK)
    f.script("rollback", Behaviour(takes=3 * SECOND, output=b"rolled back to v1\n"))
    f.want("rollback", service="gateway", previous="v1", version="v2")
    assert f.run().state == "running"
    assert f.started[0].argv == ("deployer", "rollback", "gateway", "--to=v1")
    assert dict(f.started[0].env)["HYPERCARE_VERSION"] == "v2"
    f.want("rollback", service="gateway", previous="v1")
    f.wait(5 * SECOND)
    text = "exit code 0 after 3s: rolled back to v1"
    assert f.ended == [("r1", "rollback", "done", text)]
    assert len(f.started) == 1
    run = f.run()
    assert (run.service, run.by, run.reason, run.exit_code) == ("gateway", "watch", "errors are at 7 %", 0)
    assert run.ended_at - run.started_at == 3 * SECOND
    assert [(o.state, o.output) for o in f.outputs()] == [("done", "rolled back to v1\n")]
    # Whoever asks again after the end hears the end, and nothing runs.
    f.want("rollback", service="gateway", previous="v1")
    assert [e[2] for e in f.ended] == ["done", "done"]
    assert len(f.started) == 1


@pytest.mark.parametrize(
    ("behaviour", "text"),
    [
        (Behaviour(exit_code=2, output=b"no such release"), "exit code 2 after 1s: no such release"),
        (Behaviour(hangs=True), "its time was over after 5m, it was ended"),
        (Behaviour(error="it did not start: No such file"), "it did not start: No such file"),
    ],
)
def test_a_failure_is_told_to_people(floor, behaviour, text):
    f = floor(ROLLBACK)
    f.script("rollback", behaviour)
    f.want("rollback", service="gateway", previous="v1")
    f.wait(6 * MINUTE)
    assert f.ended == [("r1", "rollback", "failed", text)]
    assert "Action rollback of gateway failed (#1)" in f.console


@pytest.mark.parametrize(
    ("context", "why"),
    [
        ({"service": "gateway"}, "there is no value for $previous"),
        ({"service": "a; rm -rf /", "previous": "v1"}, "the value of $service is refused: 'a; rm -rf /'"),
        ({"service": "gateway", "previous": "--all"}, "the value of $previous is refused: '--all'"),
        ({"service": "gateway", "previous": "v1\n"}, "the value of $previous is refused"),
        ({"service": "x" * 300, "previous": "v1"}, "the value of $service is refused"),
    ],
)
def test_values_that_are_missing_or_no_names_are_refused(floor, context, why):
    f = floor(ROLLBACK)
    f.want("rollback", **context)
    assert f.started == []
    assert f.ended[0][2] == "refused"
    assert f.ended[0][3].startswith(why)


def test_a_value_that_is_no_name_harms_nothing_that_does_not_use_it(floor):
    f = floor(ROLLBACK)
    f.want("rollback", service="gateway", previous="v1", check="errors (5xx) > 5 %")
    (started,) = f.started
    assert "HYPERCARE_CHECK" not in dict(started.env)
    assert dict(started.env)["HYPERCARE_SERVICE"] == "gateway"


def test_an_action_that_does_not_exist_is_refused(floor):
    f = floor(ROLLBACK)
    f.want("roll-back", service="gateway")
    assert f.ended == [("r1", "roll-back", "refused", "there is no action 'roll-back' in the configuration")]
    with pytest.raises(CommandError, match="there is no action 'nothing'"):
        f.call(RunAction("nothing", "ana"))


def test_somebody_has_to_approve(floor):
    f = floor(one("approval: true"))
    f.want("rollback", service="gateway", previous="v1")
    assert (f.run().state, f.started) == ("waiting", [])
    assert "Approve #1 rollback of gateway? Within 15m" in f.console
    assert f.call(ApproveRun(1, "ana")) == 1
    assert len(f.started) == 1
    f.wait(2 * SECOND)
    assert (f.run().state, f.run().decided_by) == ("done", "ana")
    with pytest.raises(CommandError, match="#1 does not wait for an approval: it is done"):
        f.call(ApproveRun(1, "ben"))
    with pytest.raises(CommandError, match="there is no run #7"):
        f.call(RefuseRun(7, "ben"))


def test_somebody_refuses(floor):
    f = floor(one("approval: true"))
    f.want("rollback", service="gateway", previous="v1")
    f.call(RefuseRun(1, "ben", "we look first"))
    assert f.ended == [("r1", "rollback", "refused", "ben has refused it: we look first")]
    f.wait(HOUR)
    assert (len(f.ended), f.started) == (1, [])


def test_nobody_approves_in_time_also_over_a_restart(floor):
    f = floor(one("approval: true, approve_within: 10m".replace(", ", "\n    ")))
    f.want("rollback", service="gateway", previous="v1")
    f.wait(9 * MINUTE)
    f.restart()
    assert f.run().state == "waiting"
    f.wait(2 * MINUTE)
    assert f.ended == [("r1", "rollback", "refused", "nobody has approved it within 10m")]
    assert f.started == []


def test_the_guards_against_repeating(floor):
    f = floor(one("once_within: 1h\n    max_per_day: 2"))
    f.want("rollback", "a", service="gateway", previous="v1")
    f.want("rollback", "b", service="gateway", previous="v1")
    f.wait(10 * MINUTE)
    f.want("rollback", "c", service="gateway", previous="v1")
    f.want("rollback", "d", service="search", previous="v1")
    f.wait(MINUTE)
    f.restart(2 * HOUR)
    f.want("rollback", "e", service="gateway", previous="v1")
    f.wait(MINUTE)
    f.restart(DAY)
    f.want("rollback", "f", service="gateway", previous="v1")
    f.wait(MINUTE)
    assert sorted((r, s, t) for r, _, s, t in f.ended) == [
        ("a", "done", "exit code 0 after 1s"),
        ("b", "refused", "rollback is under way for gateway already (#1)"),
        ("c", "refused", "rollback ran for gateway 10m ago (#1), and may run once within 1h"),
        ("d", "done", "exit code 0 after 1s"),
        ("e", "refused", "rollback ran 2 times in the last 24 hours, and may run 2 times"),
        ("f", "done", "exit code 0 after 1s"),
    ]


def test_a_failing_step_is_tried_again_as_often_as_allowed(floor):
    f = floor(one("retries: 2"))
    f.script("rollback", Behaviour(exit_code=1), Behaviour(exit_code=1), Behaviour())
    f.want("rollback", service="gateway", previous="v1")
    f.wait(2 * SECOND)
    assert f.run().state == "wanted"
    assert f.run().text == "exit code 1 after 1s; it is tried again in 10s (1 of 2)"
    f.restart()
    f.script("rollback", Behaviour(exit_code=1), Behaviour())
    f.wait(MINUTE)
    assert [(o.attempt, o.state) for o in f.outputs()] == [(1, "failed"), (2, "failed"), (3, "done")]
    assert [e[2] for e in f.ended] == ["done"]
    assert f.app.kernel.failures == 0


def test_what_was_cut_short_is_not_run_again_and_told(floor):
    f = floor(ROLLBACK)
    f.script("rollback", Behaviour(takes=MINUTE))
    f.want("rollback", service="gateway", previous="v1")
    f.wait(SECOND)
    f.restart()
    text = "hypercare was stopped while it ran; how far it got is not known"
    assert f.ended == [("r1", "rollback", "interrupted", text)]
    f.wait(HOUR)
    assert f.started == []
    assert [o.state for o in f.outputs()] == ["interrupted"]
    assert "Action rollback of gateway interrupted (#1)" in f.console
    f.restart()
    assert len(f.ended) == 1


def test_what_may_be_repeated_is_begun_anew_but_not_for_ever(floor):
    f = floor(one("repeatable: true"))
    f.script("rollback", Behaviour(takes=MINUTE))
    f.want("rollback", service="gateway", previous="v1")
    for _ in range(3):
        f.wait(SECOND)
        f.restart()
        assert len(f.started) == 1
    f.wait(SECOND)
    f.restart()
    assert (f.started, f.run().state, f.run().repeats) == ([], "interrupted", 3)


STEPS = """
actions:
  - name: retire
    steps:
      - {name: save, command: [save-config, "$color"]}
      - {name: stop, docker: {stop: ["gateway-$color"]}}
      - {name: flag, http: {url: "http://flags/$color", json: {retired: "$color"}, expected_status: [204]}}
      - {name: scale, kubectl: {scale: {resource: "deployment/gateway-$color", replicas: 0}, namespace: prod, wait: 1m}}
"""


def test_steps_run_in_order(floor):
    f = floor(STEPS)
    asked = []

    def flags(request, now):
        asked.append((request.method, request.url, request.body, dict(request.headers)["Content-Type"]))
        return HttpResponse(204, {}, b"", 0.1, now), 100

    f.world.host("flags", flags)
    f.want("retire", color="blue")
    f.wait(MINUTE)
    assert [s.argv for s in f.started] == [
        ("save-config", "blue"),
        ("docker", "stop", "gateway-blue"),
        ("kubectl", "--namespace=prod", "scale", "deployment/gateway-blue", "--replicas=0"),
        ("kubectl", "--namespace=prod", "rollout", "status", "deployment/gateway-blue", "--timeout=60s"),
    ]
    assert asked == [("POST", "http://flags/blue", b'{"retired": "blue"}', "application/json")]
    assert [o.what.partition(":")[0] for o in f.outputs()] == ["save", "stop", "flag", "scale", "scale"]
    assert f.ended[0][2] == "done"


def test_steps_end_at_the_first_failure(floor):
    f = floor(STEPS)
    f.world.host("flags", lambda _, now: (HttpResponse(500, {}, b"broken", 0.1, now), 100))
    f.want("retire", color="blue")
    f.wait(MINUTE)
    (ended,) = f.ended
    assert ended[2:] == ("failed", "step 3 of 4, flag: POST http://flags/blue: HTTP 500 after 100ms: broken")
    assert len(f.started) == 2


def test_no_answer_is_a_failure(floor):
    f = floor(STEPS)
    f.world.host("flags", lambda _, now: (PortError("refused", "connection refused", 0.1, now), 100))
    f.want("retire", color="blue")
    f.wait(MINUTE)
    assert f.ended[0][3] == "step 3 of 4, flag: POST http://flags/blue: no answer: connection refused"


@pytest.mark.parametrize("where", ["action", "platform", "command"])
def test_dry_runs_do_nothing(floor, where):
    text = STEPS + ("    dry_run: true\n    approval: true\n" if where == "action" else "")
    f = floor(text + ("actions_dry_run: true\n" if where == "platform" else ""))
    if where == "command":
        f.call(RunAction("retire", "ana", context=(("color", "blue"),), dry_run=True))
    else:
        f.want("retire", color="blue")
    assert f.started == []
    assert f.ended[0][2] == "done"
    assert f.ended[0][3].startswith("dry run: nothing was done; it would run: save: save-config blue\nstop: docker")
    assert f.run().dry_run


def test_a_command_shows_what_would_be_done(floor):
    f = floor(one('dry_run: [deployer, diff, "$service"]'))
    f.script("rollback", Behaviour(output=b"v2 -> v1"))
    f.want("rollback", service="gateway", previous="v1")
    f.wait(2 * SECOND)
    assert [s.argv for s in f.started] == [("deployer", "diff", "gateway")]
    assert f.ended[0][2:] == ("done", "dry run: exit code 0 after 1s: v2 -> v1")


def test_a_shell_gets_values_as_environment_variables_only(floor):
    f = floor("""
actions:
  - name: free
    command: {shell: true, run: 'rm -rf "/srv/$HYPERCARE_SERVICE"', env: {LEVEL: "$service"}}
""")
    f.want("free", service="gateway")
    (started,) = f.started
    assert started.argv == ("/bin/sh", "-c", 'rm -rf "/srv/$HYPERCARE_SERVICE"')
    assert started.env == (("HYPERCARE_SERVICE", "gateway"), ("LEVEL", "gateway"))


def test_secrets_are_in_no_row(floor, tmp_path):
    (tmp_path / "token").write_text("hunter2secret\n")
    f = floor("""
actions:
  - name: flag
    steps:
      - command: {run: [flags, "off"], env_files: {FLAGS: token}, env: {API_TOKEN: swordfish1}}
      - http: {url: "http://flags/", header_files: {X-Key: token}}
""")
    f.script("flag", Behaviour(output=b"with hunter2secret and swordfish1\x00"))
    f.world.host("flags", lambda r, now: (HttpResponse(200, {}, dict(r.headers)["X-Key"].encode(), 0.1, now), 100))
    f.want("flag")
    assert dict(f.started[0].env)["FLAGS"] == "hunter2secret"
    f.wait(MINUTE)
    assert [o.output for o in f.outputs()] == ["with <secret> and <secret>\ufffd", "<secret>"]
    f.app.close()
    f.app.state.close()
    stored = b"".join(path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file())
    assert b"hunter2" not in stored
    assert b"swordfish" not in stored
    f.start()


def test_a_secret_that_cannot_be_read_refuses_it_in_words(floor, tmp_path):
    (tmp_path / "token").write_text("x")
    f = floor("actions: [{name: flag, http: {url: 'http://flags/', header_files: {X-Key: token}}}]\n")
    (tmp_path / "token").unlink()
    f.want("flag")
    assert f.ended[0][2] == "refused"
    assert f.ended[0][3].endswith("token: No such file or directory")


def test_what_changes_the_world(floor):
    f = floor(ROLLBACK)
    seen = []
    f.script("rollback", Behaviour(changes=lambda request: seen.append(request.argv[2])))
    f.want("rollback", service="gateway", previous="v1")
    f.wait(MINUTE)
    assert seen == ["gateway"]


def test_metrics(floor):
    f = floor(ROLLBACK)
    f.want("rollback", service="gateway", previous="v1")
    f.want("rollback", "r2")
    f.wait(MINUTE)
    text = f.app.own.render(f.clock.now(), "").decode()
    assert 'hypercare_actions_total{action="rollback",state="done"} 1' in text
    assert 'hypercare_actions_total{action="rollback",state="refused"} 1' in text
    assert 'hypercare_action_duration_seconds_total{action="rollback"} 1' in text


def test_a_step_of_an_escalation_runs_an_action(floor):
    f = floor("""
actions: [{name: restart, command: [restart, $service]}]
services: [{name: api}]
escalations: [{name: default, steps: [{notify: [ana]}, {run: restart, after: 1m}]}]
""")
    from hypercare.incidents.store import load_timeline
    from hypercare.model.events import IncidentOpened
    from hypercare.model.severity import Severity
    from hypercare.oncall.acting import load_requests

    f.app.kernel.on_message(
        int, lambda ctx, _: ctx.publish(IncidentOpened("i1", "api is down", Severity.P1, "api", (), policy="default"))
    )
    f.call(1)
    f.wait(2 * MINUTE)
    assert [s.argv for s in f.started] == [("restart", "api")]
    run = f.run()
    assert (run.state, run.incident_id, run.by) == ("done", "i1", "policy default")
    with f.app.state.read() as db:
        assert [r.taken_by for r in load_requests(db)] == ["hypercare"]
        assert load_timeline(db, "i1") is not None


def test_runs_that_ended_long_ago_are_forgotten(floor):
    f = floor("storage: {history: 1d}\n" + one("approval: true\n    approve_within: 7d"))
    for service in ("gateway", "web"):
        f.want("rollback", service, service=service, previous="v1")
    f.call(ApproveRun(1, "ana"))
    f.wait(DAY)
    assert [number for number, _, _ in f.states()] == [1, 2]
    assert len(f.outputs()) == 1
    f.wait(2 * HOUR)
    # What still waits stays, however old it is.
    assert [(number, state) for number, _, state in f.states()] == [(2, "waiting")]
    assert f.outputs() == ()

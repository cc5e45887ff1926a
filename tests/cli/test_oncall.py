"""On-call on the command line: with a server, and the proof without one."""

from __future__ import annotations

import json

SCHEDULE = """
people: [{name: ann, email: a@x.example, contact: {channel: email}}, {name: ben}]
oncall:
  schedules:
    - name: primary
      timezone: UTC
      layers:
        - {name: day, people: [ann], start: "2026-01-05T08:00", restrictions: {from: "08:00", until: "20:00"}}
        - {name: night, people: [ben], start: "2026-01-05T08:00", restrictions: {from: "20:00", until: "07:53"}}
"""
EVENT = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nDTSTART:20300105T070000Z\nDURATION:PT5H\nSUMMARY:ana\nEND:VEVENT\nEND:VCALENDAR\n"


def test_coverage_is_proved_without_a_server(cli, platform):
    (platform / "rota.yml").write_text(SCHEDULE)
    span = ("--from", "2026-03-28T12:00:00Z", "--to", "2026-03-30T12:00:00Z")
    ended = cli("oncall", "coverage", "--config", "rota.yml", "--json", *span)
    found = json.loads(ended.stdout)
    assert (ended.returncode, found["covered"], found["console_only"]) == (1, False, ["ben"])
    assert [(g["from_at"], g["until"]) for g in found["gaps"]] == [
        (f"2026-03-{day}T07:53:00.000Z", f"2026-03-{day}T08:00:00.000Z") for day in (29, 30)
    ]
    shown = cli("oncall", "coverage", "--config", "rota.yml", *span)
    assert (shown.returncode, shown.stdout.count("7m"), "NOT covered" in shown.stdout) == (1, 2, True)
    (platform / "rota.yml").write_text(SCHEDULE.replace("07:53", "08:00"))
    good = cli("oncall", "coverage", "--config", "rota.yml", *span)
    assert (good.returncode, good.stdout.splitlines()[0]) == (0, "Every minute is covered.")
    assert cli("oncall", "coverage", "--config", "rota.yml", "--schedule", "x").returncode == 2
    (platform / "rota.yml").write_text(SCHEDULE.replace("people: [ben]", "people: [zoe]"))
    bad = cli("oncall", "coverage", "--config", "rota.yml")
    assert (bad.returncode, "rota.yml:9:" in bad.stderr, "unknown person 'zoe'" in bad.stderr) == (2, True, True)


def test_on_call_of_a_server(server, platform):
    span = ("--from", "2030-01-01T00:00:00Z", "--to", "2030-02-01T00:00:00Z")
    assert server("oncall", "--at", "2030-01-01T00:00:00Z").stdout.splitlines()[1].split()[:2] == ["primary", "ana"]
    assert "ana" in server("oncall", "--for", "service=api").stdout
    assert server("oncall", "coverage", *span).returncode == 0
    assert server("oncall", "coverage", "--from", "2025-12-01T00:00:00Z").returncode in {0, 1}
    assert json.loads(server("oncall", "shifts", "--json", *span).stdout)[0]["person"] == "ana"
    assert "ana" in server("oncall", "fairness").stdout
    made = server("oncall", "override", "primary", "ana", "--by", "eve", "-c", "why", *span)
    assert (made.returncode, len(made.stdout.split())) == (0, 1)
    assert "eve" in server("oncall", "changes").stdout
    assert server("oncall", "remove", made.stdout.strip()).returncode == 0
    assert server("oncall", "changes").stdout == "No overrides or swaps.\n"
    assert server("oncall", "swap", "primary", "ana", "ana").returncode == 3
    (platform / "shifts.ics").write_text(EVENT)
    assert server("oncall", "import", "primary", "shifts.ics").stdout == "1 shifts imported\n"
    assert server("oncall", "import", "primary", "nosuch.ics").returncode == 2
    assert server("oncall", "export", "-p", "ana").stdout.startswith("BEGIN:VCALENDAR")
    assert server("oncall", "coverage", "--from", "+soon").returncode == 2


NIGHTS = """
name: nights
rotation: {people: [ana], every: daily, start: 2026-01-05T00:00}
"""


def test_schedules_of_a_server(server, platform):
    (platform / "nights.yml").write_text(NIGHTS)
    (platform / "holes.yml").write_text(NIGHTS.replace("T00:00}", 'T00:00, restrictions: {until: "12:00"}}'))
    assert "hypercare.yml, line" in server("oncall", "schedules").stdout
    tried = server("oncall", "schedules", "preview", "nights", "holes.yml")
    assert (tried.returncode, "no layer has anybody" in tried.stdout) == (1, True)
    refused = server("oncall", "schedules", "save", "nights", "holes.yml")
    assert (refused.returncode, "not every minute is covered" in refused.stderr) == (3, True)
    assert server("oncall", "schedules", "save", "nights", "nights.yml", "--base", "0").stdout == "nights: version 1\n"
    assert server("oncall", "schedules", "save", "nights", "holes.yml", "--accept-gaps").stdout.endswith("2\n")
    assert server("oncall", "schedules", "restore", "nights", "1", "--by", "eve").stdout == "nights: version 3\n"
    told = json.loads(server("oncall", "schedules", "versions", "nights", "--json").stdout)
    assert [(v["version"], v["how"]) for v in told] == [(3, "restored"), (2, "saved"), (1, "saved")]
    exported = server("oncall", "schedules", "export", "nights").stdout
    (platform / "again.yml").write_text(exported)
    assert server("oncall", "schedules", "save", "nights", "again.yml").stdout == "nights: version 3\n", "the same"
    assert server("oncall", "schedules", "copy", "primary", "mine", "--by", "eve").stdout == "mine: version 1\n"
    assert "made here" in server("oncall", "schedules").stdout
    assert "by eve" in server("oncall", "schedules", "show", "mine").stdout
    assert server("oncall", "schedules", "delete", "mine").stdout == "mine: version 2\n"
    assert server("oncall", "schedules", "delete", "primary").returncode == 3
    assert server("oncall", "schedules", "save", "nights", "nosuch.yml").returncode == 2
    assert "now" in server("oncall", "override", "nights", "ana", "--preview").stdout
    assert "nights" not in server("oncall", "changes").stdout
    taken = server("oncall", "take-over", "nights", "--person", "ana")
    assert (taken.returncode, "already" in taken.stderr) == (3, True)


def test_a_schedule_that_the_file_does_not_hold(cli, platform):
    (platform / "open.yml").write_text(SCHEDULE + "escalations: [{name: a, steps: [{notify: 'schedule:made'}]}]\n")
    checked = cli("config", "check", "open.yml")
    assert checked.returncode == 0
    assert "open.yml:10:42: schedule:made: not in this file" in checked.stdout
    refused = cli("serve", "--config", "open.yml", "--data", "open-data", "--listen", "127.0.0.1:0")
    assert (refused.returncode, "open.yml:10:42: unknown schedule 'made'" in refused.stderr) == (2, True)

"""A real Alertmanager and a real hypercare side by side: the same pushes to both, and what each then tells its receivers."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import heapq
import http.server
import itertools
import json
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from hypercare.model.time import format_rfc3339
from ports_kit import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

FAR = 3600.0
"""Seconds after which the alerts end that a scenario does not end itself."""


class Hooks:
    """Takes the notifications of both sides and when they came."""

    def __init__(self) -> None:
        self.got: list[tuple[float, str, str, dict[str, Any]]] = []
        outer = self

        class Hook(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                at = time.time()
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                _, side, integration = self.path.split("/")
                outer.got.append((at, side, integration, body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        class Server(http.server.ThreadingHTTPServer):
            # With a short queue, connections are tried again a second later by the system.
            request_queue_size = 512

        self.server = Server(("127.0.0.1", 0), Hook)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


class Side:
    """One of the two programs, with its own files."""

    def __init__(self, name: str, folder: Path, hooks: Hooks) -> None:
        self.name, self.folder, self.hooks = name, folder, hooks
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.silences: dict[str, str] = {}
        folder.mkdir()

    def configure(self, config: Mapping[str, Any]) -> None:
        """Write the configuration; webhooks lead to the hooks, by side and receiver."""
        text = yaml.safe_dump(dict(config), allow_unicode=True)
        (self.folder / "alertmanager.yml").write_text(text.replace("HOOK", f"{self.hooks.url}/{self.name}"))
        (self.folder / "hypercare.yml").write_text(
            "platform: beside\nalertmanager: alertmanager.yml\ncollect: {host: {enabled: false}}\n"
        )

    def start(self) -> None:
        """Start the program and wait until it serves."""
        if self.name == "theirs":
            command = ["prometheus-alertmanager", f"--config.file={self.folder}/alertmanager.yml",
                       f"--storage.path={self.folder}/data", f"--web.listen-address=127.0.0.1:{self.port}",
                       "--cluster.listen-address="]  # fmt: skip
        else:
            command = [sys.executable, "-m", "hypercare", "serve", "--config", str(self.folder / "hypercare.yml"),
                       "--data", str(self.folder / "data"), "--listen", f"127.0.0.1:{self.port}"]  # fmt: skip
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)
        end = time.monotonic() + 120
        while True:
            try:
                self.ask("GET", "/-/ready")
            except OSError:
                assert self.process.poll() is None, (self.folder / "log").read_text()[-4000:]
                assert time.monotonic() < end, f"{self.name} does not start"
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """End the program as an operator does."""
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def restart(self) -> None:
        self.stop()
        self.start()

    def ask(self, method: str, path: str, body: Any = None) -> bytes:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.read()

    # -- the words of a scenario -------------------------------------------------------------------------------

    def do(self, step: Step, begun: float, scenario: str) -> int:
        """Carry out a step; the HTTP status."""
        try:
            getattr(self, f"_{step.what}")(step, begun, scenario)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            # A server that is not there in time: the comparison of the notifications tells.
            return 0
        return 200

    def _push(self, step: Step, begun: float, scenario: str) -> None:
        self.ask("POST", "/api/v2/alerts", [a.posted(begun, step.at, scenario) for a in step.alerts])

    def _silence(self, step: Step, begun: float, scenario: str) -> None:
        body = {
            "matchers": [
                {"name": "scenario", "value": scenario, "isRegex": False, "isEqual": True},
                *({"name": n, "value": v, "isRegex": "~" in op, "isEqual": op[0] == "="} for n, op, v in step.matchers),
            ],
            "startsAt": at(begun + (step.at if step.begins is None else step.begins)),
            "endsAt": at(begun + step.ends),
            "createdBy": "tests", "comment": step.name,
        }  # fmt: skip
        key = f"{scenario}/{step.name}"
        if key in self.silences:
            body["id"] = self.silences[key]
        self.silences[key] = json.loads(self.ask("POST", "/api/v2/silences", body))["silenceID"]

    def _expire(self, step: Step, _begun: float, scenario: str) -> None:
        self.ask("DELETE", f"/api/v2/silence/{self.silences[f'{scenario}/{step.name}']}")

    def _call(self, step: Step, _begun: float, _scenario: str) -> None:
        assert step.action is not None
        step.action(self)


class Waits:
    """For how long a program was ready to run and no processor was free (``schedstat`` of its threads)."""

    def __init__(self, number: Callable[[], int]) -> None:
        self._number = number
        self._seen: list[tuple[float, float]] = []
        self._of: dict[tuple[int, str], int] = {}
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._done.wait(0.05):
            waited = 0
            process = self._number()
            tasks = Path(f"/proc/{process}/task")
            with contextlib.suppress(OSError):  # a thread, or the program, has ended
                for task in tasks.iterdir():
                    total = int((task / "schedstat").read_text().split()[1])
                    key = process, task.name
                    waited += total - self._of.get(key, 0)
                    self._of[key] = total
            self._seen.append((time.time(), waited / 1e9))

    def between(self, begin: float, end: float) -> float:
        """Seconds waited by all threads together; both times are those of the clock."""
        return sum(waited for at, waited in self._seen if begin <= at <= end + 0.05)

    def stop(self) -> None:
        self._done.set()
        self._thread.join()


@dataclasses.dataclass(frozen=True)
class Push:
    """One alert as it is sent: times are seconds of the scenario."""

    labels: dict[str, str]
    starts: float | None = None
    ends: float | None = FAR
    annotations: dict[str, str] = dataclasses.field(default_factory=dict)

    def posted(self, begun: float, now: float, scenario: str) -> dict[str, Any]:
        body: dict[str, Any] = {
            "labels": {"scenario": scenario, **self.labels} if self.labels else {},
            "annotations": self.annotations,
            "generatorURL": "http://source.example/graph",
        }
        if self.starts is not None or self.ends is not None:
            body["startsAt"] = at(begun + (now if self.starts is None else self.starts))
        if self.ends is not None:
            body["endsAt"] = at(begun + self.ends)
        return body


@dataclasses.dataclass(frozen=True)
class Step:
    """What happens at a second of the scenario."""

    at: float
    what: str
    alerts: tuple[Push, ...] = ()
    name: str = ""
    matchers: tuple[tuple[str, str, str], ...] = ()
    begins: float | None = None
    ends: float = FAR
    action: Callable[[Side], None] | None = None


@dataclasses.dataclass(frozen=True)
class Scenario:
    """Steps, the route they go by, and whatever else of the configuration they need.

    Attributes:
        route: keys of the route; receivers are named ``/b`` for ``<scenario>/b``.
        later: the route after the reload of its group, if another.
        rules, later_rules: inhibition rules; they get the scenario's matcher.
        receivers: webhook settings by receiver; ``""`` is the route's own.
        behind: seconds by which ours comes later after a restart, for a reason that the scenario tells.
        raced: the alert that Alertmanager may tell at its reload, as its new groups may be flushed before its new
            inhibitor has read the sources (0.25 starts both at once); which comes first is chance.

    """

    steps: tuple[Step, ...]
    route: dict[str, Any] = dataclasses.field(default_factory=dict)
    later: dict[str, Any] | None = None
    rules: tuple[dict[str, Any], ...] = ()
    later_rules: tuple[dict[str, Any], ...] | None = None
    receivers: dict[str, list[dict[str, Any]]] = dataclasses.field(default_factory=dict)
    later_receivers: dict[str, list[dict[str, Any]]] | None = None
    behind: float = 0.0
    raced: str = ""


def at(seconds: float) -> str:
    return format_rfc3339(round(seconds * 1000))


def fire(when: float, *names: str, **labels: Any) -> Step:
    """Alerts begin; names are ``Alert`` or ``Alert/instance``; ``starts``, ``ends`` and ``note`` may be given."""
    return Step(when, "push", tuple(_push(n, dict(labels)) for n in names))


def resolve(when: float, *names: str, starts: float = 0, **labels: Any) -> Step:
    """Alerts end now."""
    return fire(when, *names, starts=starts, ends=when, **labels)


def _push(name: str, labels: dict[str, Any]) -> Push:
    starts, ends, note = labels.pop("starts", None), labels.pop("ends", FAR), labels.pop("note", "")
    alert, _, instance = name.partition("/")
    found = {"alertname": alert, **({"instance": instance} if instance else {}), **labels}
    return Push(found, starts, ends, {"summary": note} if note else {})


def silence(when: float, name: str, *matchers: tuple[str, str, str], begins: float | None = None, ends: float = FAR):
    """Create the silence of that name, or change it."""
    return Step(when, "silence", name=name, matchers=matchers, begins=begins, ends=ends)


def expire(when: float, name: str) -> Step:
    return Step(when, "expire", name=name)


def configuration(
    scenarios: Mapping[str, Scenario], intervals: Iterable[dict[str, Any]], *, later: bool
) -> dict[str, Any]:
    """The alertmanager.yml of a group of scenarios, before or after its reload."""
    routes, receivers, rules = [], [{"name": "nobody"}], []
    for name, scenario in scenarios.items():
        route = scenario.later if later and scenario.later is not None else scenario.route
        hooks = scenario.later_receivers if later and scenario.later_receivers is not None else scenario.receivers
        inhibit = scenario.later_rules if later and scenario.later_rules is not None else scenario.rules
        named: dict[str, None] = {"": None}
        routes.append(_routed(name, {"receiver": "", **route}, named, top=True))
        for receiver in named:
            settings = [
                {"url": f"HOOK/{n}", "max_alerts": 0, **s} for n, s in enumerate(hooks.get(receiver, [{}]))
            ]  # fmt: skip
            receivers.append({"name": name + receiver, "webhook_configs": settings})
        own = f'scenario="{name}"'
        rules += [
            {**r, "source_matchers": [*r.get("source_matchers", []), own],
             "target_matchers": [*r.get("target_matchers", []), own]}
            for r in inhibit
        ]  # fmt: skip
    root = {"receiver": "nobody", "group_by": ["alertname"], "group_wait": "1s", "group_interval": "2s",
            "repeat_interval": "1h", "routes": routes}  # fmt: skip
    return {
        "global": {"resolve_timeout": "6s"}, "route": root, "receivers": receivers, "inhibit_rules": rules,
        "time_intervals": list(intervals),
    }  # fmt: skip


def _routed(name: str, route: dict[str, Any], named: dict[str, None], *, top: bool) -> dict[str, Any]:
    found = dict(route)
    if "receiver" in found:
        named[found["receiver"]] = None
        found["receiver"] = name + found["receiver"]
    if top:
        found["matchers"] = [f'scenario="{name}"', *found.get("matchers", [])]
    if "routes" in found:
        found["routes"] = [_routed(name, child, named, top=False) for child in found["routes"]]
    return found


@dataclasses.dataclass(frozen=True)
class Heard:
    """One notification, without what must differ (addresses of the two programs)."""

    second: float
    integration: str
    body: dict[str, Any]

    def __str__(self) -> str:
        alerts = " ".join(
            f"{'+' if a['status'] == 'firing' else '-'}{a['labels'].get('alertname')}/{a['labels'].get('instance', '')}"
            for a in self.body["alerts"]
        )
        return f"{self.second:6.2f} {self.body['receiver']}#{self.integration} {self.body['status']} {alerts}"


class Play:
    """A group of scenarios, played in one pair of programs."""

    def __init__(
        self,
        folder: Path,
        scenarios: Mapping[str, Scenario],
        intervals: tuple[dict[str, Any], ...] = (),
        *,
        apart: float = 0.04,
    ) -> None:
        folder.mkdir(exist_ok=True)
        self.apart = apart
        self.scenarios, self.intervals = scenarios, intervals
        self.hooks = Hooks()
        self.sides = [Side(name, folder / name, self.hooks) for name in ("ours", "theirs")]
        self.statuses: dict[tuple[str, str], list[int]] = {}
        self.reload_took = {"ours": 0.0, "theirs": 0.0}
        self.begun = 0.0

    def start(self) -> None:
        for side in self.sides:
            self.write(side, later=False)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda side: side.start(), self.sides))
        self.waits = {side.name: Waits(lambda side=side: side.process.pid) for side in self.sides}
        # Who pushes may be kept waiting, too.
        self.waits["us"] = Waits(os.getpid)

    def write(self, side: Side, *, later: bool) -> None:
        side.configure(configuration(self.scenarios, self.intervals, later=later))

    def reload(self, side: Side) -> None:
        self.write(side, later=True)
        begun = time.monotonic()
        side.ask("POST", "/-/reload")
        self.reload_took[side.name] = time.monotonic() - begun

    @staticmethod
    def refused_reload(side: Side) -> None:
        path = side.folder / "alertmanager.yml"
        good = path.read_text()
        path.write_text("route: {receiver: nowhere}\n")
        try:
            side.ask("POST", "/-/reload")
        finally:
            path.write_text(good)

    def play(self, begun: float, length: float, more: tuple[Step, ...] = ()) -> None:
        """Carry out all steps on both sides at once, each at its time; ``more`` concern all scenarios."""
        self.begun, self.length = begun, length
        self.hooks.got.clear()
        self.statuses.clear()
        count = itertools.count()
        # A little apart, as dozens of pushes in one instant would measure the disk.
        self.offsets = {name: self.apart * n for n, name in enumerate(self.scenarios)}
        agenda = [
            (s.at + self.offsets[name], next(count), name, s) for name, each in self.scenarios.items() for s in each.steps
        ]  # fmt: skip
        agenda += [(s.at, next(count), "", s) for s in more]
        heapq.heapify(agenda)
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            running = []
            while agenda:
                when, _, name, step = heapq.heappop(agenda)
                time.sleep(max(0.0, begun + when - time.time()))
                origin = begun + self.offsets.get(name, 0)
                running += [(side.name, name, pool.submit(side.do, step, origin, name)) for side in self.sides]
            time.sleep(max(0.0, begun + length - time.time()))
            for waits in self.waits.values():
                waits.stop()
            for side_name, name, future in running:
                self.statuses.setdefault((side_name, name), []).append(future.result())

    def heard(self, side: str, scenario: str) -> list[Heard]:
        """What one side told the receivers of a scenario, by receiver and in order."""
        found = []
        # A flush is due a little after a full second: the cut lies shortly before one.
        end = (self.length - self.offsets[scenario] - 1) // 1 - 0.05
        for when, whose, integration, body in list(self.hooks.got):
            receiver = body["receiver"]
            if (
                whose == side
                and when - self.begun - self.offsets[scenario] < end
                and (receiver == scenario or receiver.startswith(scenario + "/"))
            ):
                kept = {k: v for k, v in body.items() if k != "externalURL"}
                found.append(Heard(when - self.begun - self.offsets[scenario], integration, kept))
        return sorted(found, key=lambda h: (h.body["receiver"], h.integration, h.body["groupKey"], h.second))

    def close(self) -> None:
        for side in self.sides:
            if hasattr(side, "process"):
                side.stop()
        self.hooks.server.shutdown()
        self.hooks.server.server_close()

"""Processor time of one evaluation of many rules over stored series, beside Prometheus and vmalert + VictoriaMetrics.

All three hold the same two hours, have no targets, and evaluate the same file at the same interval. What they need
without rules is measured first and taken off.
"""

from __future__ import annotations

import dataclasses
import os
import signal
import time
from typing import TYPE_CHECKING

from benchmarks import dataset, rule_set
from benchmarks.figure import Figure, Scale
from benchmarks.lab import Lab, Server, progress

if TYPE_CHECKING:
    from collections.abc import Sequence

_ROWS = 400
_HYPERCARE = "platform: bench\nprometheus: prometheus.yml\ncollect: {host: {enabled: false}}\n"
_PROMETHEUS = "global: {{evaluation_interval: {interval}s}}\nrule_files: [rules.yml]\n"


@dataclasses.dataclass(frozen=True, slots=True)
class Case:
    """What is evaluated.

    Attributes:
        rules: how many.
        targets: with a hundred series each.
        interval: between evaluations, seconds; longer than any of the servers needs for one.
        evaluations: that are measured.
        share: of Prometheus' processor time that we promise to need at most.

    """

    rules: int
    targets: int
    interval: int
    evaluations: int
    share: float


def rules_200(scale: Scale) -> list[Figure]:
    """200 rules over 2,700 series."""
    return _run(Case(200, 27, 10, 8, 0.25) if not scale.quick else Case(40, 5, 3, 2, 0.25))


def rules_1000(scale: Scale) -> list[Figure]:
    """1,000 rules over 6,600 series."""
    return _run(Case(1000, 66, 15, 6, 0.25) if not scale.quick else Case(60, 5, 3, 2, 0.25))


def rules_100k(scale: Scale) -> list[Figure]:
    """200 rules over 100,000 series."""
    return _run(Case(200, 1000, 60, 2, 0.1) if not scale.quick else Case(40, 10, 3, 2, 0.1))


def _run(case: Case) -> list[Figure]:
    interval = case.interval
    with Lab() as lab:
        lab.write(
            {
                "hypercare.yml": _HYPERCARE,
                "prometheus.yml": _PROMETHEUS.format(interval=interval),
                "rules.yml": "groups: []\n",
            }
        )
        progress(f"writing {case.targets * 100 * _ROWS / 1e6:.0f} million samples")
        made = dataset.groups(int(time.time()) // 15 * 15_000, case.targets, _ROWS)
        dataset.into_hypercare(lab.folder / "hypercare-data", made)
        ours, prometheus, victoria = lab.hypercare(), lab.prometheus(), lab.victoria()
        vmalert = None if victoria is None else lab.vmalert(victoria, interval)
        for server in (ours, prometheus, victoria, vmalert):
            if server is not None:
                server.ready("/health" if server in {victoria, vmalert} else "/-/ready")
        dataset.into_receivers([peer.url for peer in (prometheus, victoria) if peer is not None], made)
        sides = {"hypercare": [ours]}
        if prometheus is not None:
            sides["prometheus"] = [prometheus]
        if victoria is not None and vmalert is not None:
            sides["vmalert"] = [victoria, vmalert]
        del made
        spent = _measure(lab, sides, case)
        if prometheus is not None:
            _must_agree(ours, prometheus)
    return _figures(case, spent)


def _measure(lab: Lab, sides: dict[str, list[Server]], case: Case) -> dict[str, float]:
    """Seconds of processor time of one evaluation of all rules, by side."""
    quiet = min(2 * case.interval, 20)
    time.sleep(5)  # what was taken in is still being sorted
    idle = _spent(sides, quiet)
    (lab.folder / "rules.yml").write_text(rule_set.rule_file(case.rules, case.interval))
    for server in _all(sides):
        if server.name != "victoria":
            os.kill(server.process.pid, signal.SIGHUP)
    progress(f"{case.rules} rules are evaluated every {case.interval} s")
    # The first evaluation finds and remembers what all later ones use.
    time.sleep(2 * case.interval + 1)
    window = case.evaluations * case.interval
    busy = _spent(sides, window)
    return {name: (busy[name] / window - idle[name] / quiet) * case.interval for name in sides}


def _spent(sides: dict[str, list[Server]], seconds: float) -> dict[str, float]:
    before = {name: sum(server.cpu() for server in servers) for name, servers in sides.items()}
    time.sleep(seconds)
    return {name: sum(server.cpu() for server in servers) - before[name] for name, servers in sides.items()}


def _all(sides: dict[str, list[Server]]) -> Sequence[Server]:
    return [server for servers in sides.values() for server in servers]


def _must_agree(ours: Server, theirs: Server) -> None:
    """The rules are the same and none of them fails, and recordings come to the same.

    Raises:
        AssertionError: they do not.

    """
    seen = []
    for server in (ours, theirs):
        found = [rule for group in server.get("rules")["groups"] for rule in group["rules"]]
        failed = [f"{rule['name']}: {rule.get('lastError')}" for rule in found if rule["health"] != "ok"]
        assert not failed, f"{server.name}: {failed[:3]}"
        recorded = server.get("query", query='count by (__name__) ({__name__=~"s[0-9]+:.*"})')["result"]
        seen.append((len(found), sorted((row["metric"]["__name__"], row["value"][1]) for row in recorded)))
    assert seen[0] == seen[1], f"the rules come to different series: {seen}"


def _figures(case: Case, spent: dict[str, float]) -> list[Figure]:
    what = f"processor time of one evaluation of {case.rules:,} rules over {case.targets * 100:,} series"
    note = (
        f"mean of {case.evaluations} evaluations, what the servers need without rules taken off; groups of 20 rules, "
        "data of the last 100 minutes, no scraping meanwhile"
    )
    ours, prometheus, vmalert = spent["hypercare"], spent.get("prometheus"), spent.get("vmalert")
    limit = None if prometheus is None else prometheus * case.share
    return [
        Figure(f"{what}, beside Prometheus", ours, "s", prometheus, limit, note),
        Figure(f"{what}, beside vmalert + VictoriaMetrics", ours, "s", vmalert, note=note),
    ]

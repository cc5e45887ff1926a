"""Reads everything back over HTTP and judges it."""

from __future__ import annotations

import dataclasses
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from bisect import bisect_right
from collections import defaultdict

from kill_kit.known import bucket_bounds, close, histogram, known, scraped
from kill_kit.senders import LATE, LIFETIME, OWNERS, SERIES, Sender

Rows = dict[int, dict[tuple[tuple[str, str], ...], float]]
"""By time in ms: series and values."""


@dataclasses.dataclass
class Judge:
    """What is known of the outside, and what was found.

    Attributes:
        url: of the server.
        exporter: of the targets.
        targets: how many there are.
        senders: by name.
        kept: how far back all must be there, s.
        kills: when the server was killed, s.
        worst: the longest time before a kill that something was scraped and is not there, s.
        samples: how many were judged, each in every round.
        unanswered: answers that the server did not take: ``up`` is 0, or it was dead before they came.
        judged: when that was done last, s.

    """

    url: str
    exporter: str
    targets: int
    senders: dict[str, Sender]
    kept: float
    kills: list[float] = dataclasses.field(default_factory=list)
    served: list[tuple[float, int, int, float]] = dataclasses.field(default_factory=list)
    worst: float = 0.0
    samples: int = 0
    unanswered: int = 0
    judged: float = 0.0
    buried: dict[int, float] = dataclasses.field(default_factory=dict)
    """Epochs of series that were deleted, and when that was acknowledged."""

    def get(self, path: str, **arguments: str) -> dict:
        query = urllib.parse.urlencode(arguments)
        try:
            with urllib.request.urlopen(f"{self.url}{path}?{query}", timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path} {arguments}: {error.code} {error.read()[:1000]!r}") from None

    def post(self, path: str, **arguments: str) -> None:
        data = urllib.parse.urlencode(arguments).encode()
        try:
            with urllib.request.urlopen(self.url + path, data, timeout=30) as answer:
                assert answer.status in {200, 204}
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path} {arguments}: {error.code} {error.read()[:1000]!r}") from None

    def raw(self, selector: str, at: float, kind: str = "values") -> dict[tuple[tuple[str, str], ...], dict[int, str]]:
        """All samples of the last while, by series without its name's place mattering."""
        found = {}
        for series in self.get("/api/v1/query", query=f"{selector}[{int(self.kept)}s]", time=f"{at:.3f}")["result"]:
            if kind in series:
                labels = tuple(sorted(series["metric"].items()))
                found[labels] = {round(stamp * 1000): value for stamp, value in series[kind]}
                self.samples += len(found[labels])
        return found

    def judge(self) -> None:
        """Judge all that is there now."""
        self.served += json.loads(
            urllib.request.urlopen(f"{self.exporter}/served?{len(self.served)}", timeout=10).read()
        )
        # What is sent goes on growing: all that is stored is in it.
        sent = {name: (sender.sent, dict(sender.acknowledged)) for name, sender in self.senders.items()}
        at = time.time()
        rows = self._scraped(at)
        self._rules(rows, at)
        for name in ("v1", "v2"):
            self._remote(name, *sent[name], at)
        self._doomed(*sent["v1"], at)
        self._otlp(*sent["otlp"], at)
        self._pushed(sent["pushed"][1], at)
        for name, sender in self.senders.items():
            assert not sender.refusals, (name, sender.refusals[:3])
        self.judged = at

    def _scraped(self, at: float) -> dict[int, Rows]:
        rows: dict[int, Rows] = {target: defaultdict(dict) for target in range(self.targets)}
        for labels, samples in self.raw('{job="kills",__name__=~"kills_.*"}', at).items():
            target = int(dict(labels)["target"])
            own = tuple((n, v) for n, v in labels if n not in {"instance", "job", "target"})
            for stamp, value in samples.items():
                rows[target][stamp][own] = float(value)
        self.rows_are_whole(rows)
        down = {int(dict(labels)["target"]): [t / 1000 for t, v in samples.items() if v == "0"]
                for labels, samples in self.raw('up{job="kills"}', at).items()}  # fmt: skip
        there = {t: {row[("__name__", "kills_seq"),] for row in found.values()} for t, found in rows.items()}
        for when, target, number, since in self.served:
            if not at - self.kept + 6 < when < at - 8 or number in there[target]:
                continue
            if any(abs(when - each) < 2.5 for each in down.get(target, ())):
                self.unanswered += 1
                continue
            # Who asked may have been dead when the answer came; on a busy machine connections are noticed late.
            owner = next((kill for kill in self.kills if kill >= since - 3), None)
            if owner is not None and owner < when:
                self.unanswered += 1
                continue
            killed = next((kill for kill in self.kills if kill >= when), None)
            age = f"{at - when:.1f} s"
            assert killed is not None, f"answer {number} of target {target} is missing, {age} old, and no kill since"
            self.worst = max(self.worst, killed - when)
        return rows

    @staticmethod
    def rows_are_whole(rows: dict[int, Rows]) -> None:
        """Every row is one answer of its target, whole, and answers stand in their order."""
        for target, found in rows.items():
            last = 0.0
            for stamp in sorted(found):
                row = found[stamp]
                number = row[("__name__", "kills_seq"),]
                assert row == scraped(target, int(number)), (target, stamp, number)
                assert number > last, (target, stamp, number, last)
                last = number

    def _rules(self, rows: dict[int, Rows], at: float) -> None:
        for labels, samples in self.raw("copy:kills_seq", at).items():
            found = rows[int(dict(labels)["target"])]
            times = sorted(found)
            for stamp, value in samples.items():
                behind = bisect_right(times, stamp)
                if behind < 3 or stamp > (at - 8) * 1000:
                    continue  # what it copied may lie before what was read, or have come after
                choice = {found[each][("__name__", "kills_seq"),] for each in times[behind - 2 : behind]}
                assert float(value) in choice, (labels, stamp, value, choice)

    def _remote(self, name: str, sent: dict[int, None], acknowledged: dict[int, float], at: float) -> None:
        begin = (at - self.kept + 6) * 1000
        owner = OWNERS[name]
        found = self.raw(f'{{__name__="sent_value",sender="{name}"}}', at)
        assert len(found) == SERIES
        wanted = {stamp for stamp in acknowledged if stamp > begin}
        for labels, samples in found.items():
            column = int(dict(labels)["column"])
            assert samples.keys() <= sent.keys(), (name, column, sorted(samples.keys() - sent.keys())[:5])
            assert wanted <= samples.keys(), (name, column, self._lost(wanted - samples.keys(), acknowledged))
            assert all(float(v) == known(t, owner, column) for t, v in samples.items()), (name, column)
        for samples in self.raw(f'{{__name__="sent_late",sender="{name}"}}', at).values():
            late = {stamp - LATE for stamp in wanted if stamp % 4 == 0 and stamp - LATE > begin}
            assert late <= samples.keys(), (name, "late", sorted(late - samples.keys())[:5])
            assert all(float(v) == known(t, owner, 2) for t, v in samples.items()), (name, "late")

    def _lost(self, stamps: set[int], acknowledged: dict[int, float]) -> list[str]:
        """Acknowledged samples that are missing, and how long before the next kill their answers came."""
        told = []
        for stamp in sorted(stamps)[:5]:
            came = acknowledged[stamp]
            killed = next((kill for kill in self.kills if kill >= came), None)
            told.append(
                f"{stamp}, acknowledged {'and no kill after' if killed is None else f'{killed - came:.3f} s before a kill'}"
            )
        return told

    def _doomed(self, sent: dict[int, None], acknowledged: dict[int, float], at: float) -> None:
        """What was deleted does not come back; what was not is there. Then more is deleted."""
        begin = (at - self.kept + 6) * 1000
        found = {int(dict(labels)["epoch"]): samples for labels, samples in self.raw("sent_doomed", at).items()}
        back = [(epoch, self.buried[epoch]) for epoch in sorted(found.keys() & self.buried.keys())]
        assert not back, f"what was deleted is back: {back}"
        for stamp in acknowledged:
            if stamp > begin and (epoch := stamp // LIFETIME) not in self.buried:
                assert stamp in found.get(epoch, ()), f"{stamp} of {epoch} is gone, and was not deleted"
        for samples in found.values():
            assert all(t in sent and float(v) == known(t, OWNERS["v1"], 1) for t, v in samples.items())
        # The sender goes on only when what it sent was taken: nothing older is on its way.
        over = max(acknowledged, default=0) // LIFETIME - 2
        gone = [str(epoch) for epoch in found if epoch < over and epoch not in self.buried and epoch % 2]
        if gone:
            self.post("/api/v1/admin/tsdb/delete_series", **{"match[]": f'sent_doomed{{epoch=~"{"|".join(gone)}"}}'})
            self.buried.update(dict.fromkeys(map(int, gone), time.time()))
            self.post("/api/v1/admin/tsdb/clean_tombstones")

    def _otlp(self, sent: dict[int, None], acknowledged: dict[int, float], at: float) -> None:
        wanted = {stamp for stamp in acknowledged if stamp > (at - self.kept + 6) * 1000}
        owner = OWNERS["otlp"]
        for name, column in (("otlp_requests_total", 0), ("otlp_level", 2)):
            ((_, samples),) = self.raw(name, at).items()
            assert wanted <= samples.keys() <= sent.keys(), (name, self._lost(wanted - samples.keys(), acknowledged))
            assert all(float(v) == known(t, owner, column) for t, v in samples.items()), name
        ((_, samples),) = self.raw("otlp_latency", at, "histograms").items()
        assert wanted <= samples.keys() <= sent.keys(), self._lost(wanted - samples.keys(), acknowledged)
        for stamp, value in samples.items():
            _, counts, total = histogram(stamp)
            assert (float(value["count"]), float(value["sum"])) == (sum(counts), total), stamp
            buckets = [tuple(map(float, bucket[1:])) for bucket in value["buckets"]]
            wanted_buckets = bucket_bounds(stamp)
            assert len(buckets) == len(wanted_buckets), stamp
            assert all(close(a, b) for x, y in zip(buckets, wanted_buckets, strict=True)
                       for a, b in zip(x, y, strict=True)), stamp  # fmt: skip

    def _pushed(self, acknowledged: dict[int, float], at: float) -> None:
        found = {
            dict(labels)["__name__"]: samples for labels, samples in self.raw('{__name__=~"pushed_.*"}', at).items()
        }
        times = sorted(found.get("pushed_value", {}))
        values = [float(found["pushed_value"][t]) for t in times]
        assert values == sorted(values), "what was pushed goes back"
        assert {t: 2 * v for t, v in zip(times, values, strict=True)} == {
            t: float(v) for t, v in found.get("pushed_twice", {}).items()
        }
        came = sorted((when, stamp) for stamp, when in acknowledged.items())
        answers = [when for when, _ in came]
        for stamp, value in zip(times, values, strict=True):
            behind = bisect_right(answers, stamp / 1000 - 1)
            assert not behind or value >= came[behind - 1][1], f"a push that was taken is gone at {stamp}"

    def alerts(self) -> dict[str, tuple[str, str]]:
        """State and beginning of each alert."""
        return {alert["labels"]["alertname"]: (alert["state"], alert["activeAt"])
                for alert in self.get("/api/v1/alerts")["alerts"]}  # fmt: skip

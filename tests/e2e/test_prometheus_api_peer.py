"""Our API beside a real Prometheus 2.42 that holds the same samples: same keys, same types, same texts of numbers."""

from __future__ import annotations

import json
import math
import time
from urllib.parse import quote

import numpy as np
import pytest
from prometheus_kit import Asking, Hypercare, Prometheus, fill, series_of
from waiting_kit import comes_to_hold

from hypercare.model.labels import Labels
from hypercare.model.samples import ABSENT, STALE
from ports_kit import free_port

pytestmark = pytest.mark.peer
STEP = 15_000
VALUES = [
    0.0, 1.5, -0.0, 1e-7, 1e-6, 1e21, 1e20, 999999999999999.9, 1e15, 1e16, 2.0**53, 123456789.125, 0.1 + 0.2, 1 / 3, 5e-324, 1.7976931348623157e308,
    -1e-5, 0.0001, 0.00001234, math.inf, -math.inf, math.nan,
]  # fmt: skip


def data(end):
    """Series with odd values, a counter, one that ended, one that paused, one with odd letters."""
    times = np.arange(end - 1_200_000, end + 1, STEP, dtype=np.int64) + 123 - 1_000
    count = len(times)
    columns = {Labels.of({"__name__": "num", "i": f"{i:02d}"}): np.full(count, v) for i, v in enumerate(VALUES)}
    columns[Labels.of({"__name__": "odd", "t": '<a&b>\u2028é"\\\n\x01'})] = np.ones(count)
    columns[Labels.of({"__name__": "seen_total", "code": "200"})] = np.arange(count) * 7.0
    columns[Labels.of({"__name__": "seen_total", "code": "500"})] = np.arange(count) // 5 * 0.5
    ended, paused = np.arange(count) * 1.0, np.arange(count) * 2.0
    ended[-10], ended[-9:], paused[20:50] = STALE, ABSENT, ABSENT
    columns[Labels.of({"__name__": "ended"})], columns[Labels.of({"__name__": "paused"})] = ended, paused
    return [(list(columns), times, np.stack(list(columns.values()), axis=1))]


CONFIG = "global: {scrape_interval: 1h, external_labels: {site: here, i: none}}\n"
HYPERCARE = "prometheus: prometheus.yml\ncollect: {host: {enabled: false}}\n"


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """The two, and the time of the newest samples; nothing here changes them."""
    folder = tmp_path_factory.mktemp("both")
    end = int(time.time()) // 15 * 15_000
    matrices = data(end)
    fill(folder, matrices)
    theirs = Prometheus(folder / "peer", free_port(), CONFIG)
    try:
        theirs.write(list(series_of(matrices)))
        ours = Hypercare(folder, free_port(), {"prometheus.yml": CONFIG, "hypercare.yml": HYPERCARE})
    except BaseException:
        theirs.stop()
        raise
    yield ours, theirs, end / 1000
    ours.stop()
    theirs.stop()


def read(body):
    """JSON whose numbers stay texts, so that 1 and 1.0 differ; vectors are in no order."""
    found = json.loads(body, parse_float=str, parse_int=str)
    if isinstance(found.get("data"), dict) and found["data"].get("resultType") == "vector":
        found["data"]["result"].sort(key=lambda each: sorted(each["metric"].items()))
    # Prometheus 2.42 has no remarks on the expression.
    found.pop("infos", None)
    if all(text.startswith("PromQL warning") for text in found.get("warnings", ())):
        found.pop("warnings", None)
    return found


SELECTORS = ["num", "odd", "seen_total", "ended", "paused", "nosuch", '{__name__=~"num|paused",i!~"0."}']
EXPRESSIONS = [
    *SELECTORS, "sum(seen_total)", "rate(seen_total[1m7s])", "num * 2", "-num", "num / 0", "count by (i) (num)", "1e-7", "vector(1e21)", "1e21",
    "time()", "scalar(odd)", "absent(nosuch)", "sort_desc(seen_total)", "topk(1, seen_total)", "num == 1.5", "num > bool 1", "ended offset 5m",
    "max_over_time(paused[5m3s])", "histogram_quantile(0.9, seen_total)", "label_replace(seen_total, 'x', '$1', 'code', '(.).*')", "1 + 1",
]  # fmt: skip
INSTANT_ONLY = ['"<text>"', "num[1m]", "paused[10m]", "ended[6m] offset 1m", "seen_total[2m7s:25s]"]


def test_queries(both):
    ours, theirs, end = both
    for expr in EXPRESSIONS + INSTANT_ONLY:
        for at in (end, end - 100.5, end - 399.999, end - 1e6):
            path = f"/api/v1/query?query={quote(expr)}&time={at}"
            mine, yours = ours.ask("GET", path), theirs.ask("GET", path)
            assert (mine[0], mine[1]["Content-Type"]) == (yours[0], yours[1]["Content-Type"]), expr
            assert read(mine[2]) == read(yours[2]), (expr, at)
    for expr in EXPRESSIONS:
        for start, step in (
            (end - 600, "30"),
            (end - 300.5, "15.5"),
            (end - 1000, "1m"),
            (end, "1"),
            (end - 1e6, "1000"),
        ):
            path = f"/api/v1/query_range?query={quote(expr)}&start={start}&end={end}&step={step}"
            # To the byte, but for the order in which labels' letters are escaped.
            mine, yours = ours.ask("GET", path)[2], theirs.ask("GET", path)[2]
            assert read(mine) == read(yours), (expr, start, step)
            if expr == "num":
                assert mine == yours


READ = [
    "format_query?query=sum(x)by(y)", "query_exemplars?query=num&start=1&end=2", "series?match[]=num", "series?match[]=odd&match[]=ended",
    "series?match[]=nosuch", "series?match[]=num&start=5&end=6", "labels", "labels?match[]=odd", "labels?start=5&end=6", "label/i/values",
    "label/i/values?match[]=odd", "label/nosuch/values", "label/__name__/values", "metadata", "metadata?metric=nosuch", "rules", "alerts",
    "alertmanagers", "targets/metadata", "status/walreplay", "query?query=num&limit=1&timeout=10s", "query?query=vector(1)&time=2026-01-05T08:00:00.5Z",
    "query_range?query=1&start=0&end=11000&step=1", "query_range?query=1&start=0&end=11000.999&step=1",
]  # fmt: skip
REFUSED = [
    "query", "query?query=up%2B", "query?query=1&time=x", "query?query=1&timeout=x", "query?query=1&timeout=-1", "query?query=num*on()num",
    "query?query=sum(", "query?query=a%20b", "query?query=rate(num)", "query?query=foo(1)", "query?query={}",
    "query_range?query=1", "query_range?query=1&start=1&end=0&step=1", "query_range?query=1&start=0&end=1&step=0", "query_range?query=num[1m]&start=0&end=1&step=1",
    "query_range?query=1&start=0&end=11001&step=1", "query_range?query=1&start=0&end=1&step=x", "format_query?query=1%2B", "series", "series?match[]=1%2B",
    "series?match[]=num&start=x", "series?match[]={}", "labels?match[]=(", "label/i/values?match[]=(", "label/i/values?end=x", "metadata?limit=x",
    "rules?type=x", "query_exemplars?query=1%2B", "query_exemplars?query=num&start=3&end=2", "query_exemplars?query=num&start=x",
]  # fmt: skip


def test_look_ups_and_refusals(both):
    ours, theirs, end = both
    for path in READ:
        # What hypercare says of itself is not asked for: nothing but these samples existed when they were written.
        bounds = f"end={end}" if path.startswith(("label", "series")) and "end=" not in path else ""
        asked = f"/api/v1/{path}{'&' if '?' in path else '?'}{bounds}" if bounds else f"/api/v1/{path}"
        mine, yours = ours.ask("GET", asked), theirs.ask("GET", asked)
        assert (mine[0], yours[0]) == (200, 200), path
        if not path.startswith(("metadata", "targets", "query?query=num&limit")):
            assert read(mine[2]) == read(yours[2]), path
    for path in REFUSED:
        mine, yours = (side.ask("GET", f"/api/v1/{path}") for side in (ours, theirs))
        assert mine[0] == yours[0], path
        assert mine[1]["Content-Type"] == yours[1]["Content-Type"], path
        left, right = json.loads(mine[2]), json.loads(yours[2])
        assert (left["status"], left["errorType"], set(left)) == (right["status"], right["errorType"], set(right)), path


def test_methods_forms_and_encodings(both):
    ours, theirs, end = both
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for path, body in (
        ("query", f"query=num&time={end}"),
        ("query_range", f"query=num&start={end - 60}&end={end}&step=15"),
        ("series", "match[]=num"),
    ):
        mine, yours = (side.ask("POST", f"/api/v1/{path}", body, form) for side in (ours, theirs))
        assert read(mine[2]) == read(yours[2])
    path = f"/api/v1/query_range?query=num&start={end - 600}&end={end}&step=1"
    mine, yours = (side.ask("GET", path, None, {"Accept-Encoding": "gzip"}) for side in (ours, theirs))
    assert mine[1]["Content-Encoding"] == yours[1]["Content-Encoding"] == "gzip"
    assert mine[2] == yours[2]
    for method, path in (("HEAD", "query?query=1"), ("OPTIONS", "query"), ("OPTIONS", "nosuch"), ("PUT", "query"), ("POST", "label/i/values"),
                         ("GET", "nosuch"), ("POST", "rules")):  # fmt: skip
        mine, yours = (side.ask(method, f"/api/v1/{path}") for side in (ours, theirs))
        assert mine[0] == yours[0], (method, path)
        assert set(mine[1].get("Allow", "").split(", ")) == set(yours[1].get("Allow", "").split(", ")), (method, path)


def shape(value):
    """Keys and types; of a list those of its first element."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__


def missing(mine, yours, at=""):
    """Keys of theirs that ours lack, and other types."""
    if isinstance(yours, dict):
        assert isinstance(mine, dict), at
        return [
            m
            for key in yours
            for m in ([f"{at}.{key}"] if key not in mine else missing(mine[key], yours[key], f"{at}.{key}"))
        ]
    if isinstance(yours, list) and yours and isinstance(mine, list) and mine:
        return missing(mine[0], yours[0], f"{at}[]")
    return [] if type(mine) is type(yours) and (isinstance(yours, list) or mine == yours) else [f"{at}: {mine} {yours}"]


SCRAPED = """# HELP up_truth Whether it is true.
# TYPE up_truth gauge
up_truth 0
# TYPE shop_seconds histogram
# HELP shop_seconds Time.
shop_seconds_bucket{le="1"} 1
shop_seconds_bucket{le="+Inf"} 2
shop_seconds_sum 3.5
shop_seconds_count 2
"""
WATCHING = """
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s, external_labels: {{site: here}}}}
rule_files: [rules.yml]
scrape_configs:
  - job_name: shop
    static_configs: [{{targets: ["127.0.0.1:{port}"], labels: {{service: shop}}}}]
  - job_name: gone
    static_configs: [{{targets: ["127.0.0.1:1"]}}]
    relabel_configs: [{{action: drop, source_labels: [job]}}]
{more}
"""
FEDERATION = """
  - job_name: the-federation
    honor_labels: true
    metrics_path: /federate
    params: {{"match[]": ['{{__name__=~"shop_.*|job:.*"}}']}}
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""
WATCHED = """
groups:
  - name: shop
    interval: 1s
    limit: 5
    rules:
      - {record: "job:truth:sum", expr: sum by (job) (up_truth), labels: {made: here}}
      - {alert: Broken, expr: up_truth == 0, for: 1s, keep_firing_for: 1m, labels: {severity: critical}, annotations: {summary: "{{ $value }}"}}
      - {alert: Failing, expr: "up_truth * on () group_left () {job=~'.+'}"}
"""


def test_rules_alerts_and_targets_have_one_shape(serve, outside, wait, port, tmp_path):
    outside.metrics = SCRAPED
    (tmp_path / "peer").mkdir()
    (tmp_path / "peer" / "rules.yml").write_text(WATCHED)
    files = {"rules.yml": WATCHED, "prometheus.yml": WATCHING.format(port=outside.port, more="")}
    server = serve(files=files).start()
    ours = Asking(server.url)
    theirs = Prometheus(
        tmp_path / "peer", port(), WATCHING.format(port=outside.port, more=FEDERATION.format(port=server.port))
    )
    try:
        for side in (ours, theirs):
            wait(
                lambda side=side: [a for a in side.get("alerts")[1]["data"]["alerts"] if a["state"] == "firing"],
                what="an alert",
            )
            wait(lambda side=side: "lastError" in json.dumps(side.get("rules")[1]), what="a rule that fails")
        comes_to_hold(lambda: _one_shape(ours, theirs))
        comes_to_hold(lambda: _same_rules(ours, theirs))
        # What we tell by federation is there as it is here, to the millisecond; which of our samples a scrape of
        # theirs happens to meet is up to the two clocks, and one in between may never be told.
        wait(
            lambda: theirs.get("query", query='job:truth:sum{made="here",job="shop",instance="",site="here"}')[1][
                "data"
            ]["result"],
            what="federation",
        )

        def told():
            mine, yours = (
                {
                    (f"{at:.3f}", value)
                    for each in side.get("query", query=f"{query}[5m]")[1]["data"]["result"]
                    for at, value in each["values"]
                }
                for side, query in (
                    (ours, 'shop_seconds_sum{service="shop"}'),
                    (theirs, 'shop_seconds_sum{site="here"}'),
                )
            )
            assert {value for _, value in yours} <= {"3.5"}
            return mine & yours

        wait(told, what="one of our samples at its own time")
    finally:
        theirs.stop()


def _one_shape(ours, theirs):
    """All that theirs tell, ours tell, too."""
    for path in ("rules", "rules?type=alert", "rules?type=record", "alerts", "targets?state=active", "targets?state=dropped", "targets/metadata?metric=up_truth",
                 "targets/metadata?match_target={job='shop'}", "metadata?metric=shop_seconds"):  # fmt: skip
        mine, yours = (
            side.get(path.partition("?")[0], **dict([path.partition("?")[2].split("=", 1)] if "?" in path else []))[1][
                "data"
            ]
            for side in (ours, theirs)
        )
        assert missing(shape(mine), shape(yours)) == [], path
    assert ours.get("metadata", metric="shop_seconds") == theirs.get("metadata", metric="shop_seconds")


def _same_rules(ours, theirs):
    """Everything that does not move is equal, not only of one shape."""
    still = ("name", "query", "labels", "health", "type", "state", "duration", "keepFiringFor", "annotations")
    mine, yours = (side.get("rules")[1]["data"]["groups"][0] for side in (ours, theirs))
    assert [(mine[key], yours[key]) for key in ("name", "interval", "limit") if mine[key] != yours[key]] == []
    for left, right in zip(mine["rules"], yours["rules"], strict=True):
        assert {k: left.get(k) for k in still if k in right} == {k: right[k] for k in still if k in right}
        for alert, other in zip(left.get("alerts", []), right.get("alerts", []), strict=True):
            assert {k: alert[k] for k in ("state", "value", "annotations")} == {
                k: other[k] for k in ("state", "value", "annotations")
            }


def test_statistics_and_status(both):
    ours, theirs, end = both
    for query in (f"query?query=seen_total&time={end}", f"query?query=sum(rate(seen_total[1m7s]))%2Bnum&time={end}",
                  f"query_range?query=num&start={end - 60}&end={end}&step=15", f"query_range?query=max_over_time(paused[2m]@{end})&start={end - 60}&end={end}&step=15",
                  f"query?query=max_over_time(sum(seen_total)[2m7s:10s])&time={end}"):  # fmt: skip
        mine, yours = (side.get(f"{query}&stats=true")[1]["data"]["stats"] for side in (ours, theirs))
        assert missing(shape(mine), shape(yours)) == []
        assert mine["samples"]["totalQueryableSamples"] == yours["samples"]["totalQueryableSamples"], query
    for path in ("status/buildinfo", "status/runtimeinfo", "status/tsdb", "status/config"):
        mine, yours = (side.get(path)[1]["data"] for side in (ours, theirs))
        assert missing(shape(mine), shape(yours)) == [], path
    flags = ours.get("status/flags")[1]["data"]
    known = theirs.get("status/flags")[1]["data"]
    assert set(flags) <= set(known)
    assert {key: flags[key] for key in flags if "query" in key and "concurrency" not in key} == {
        key: known[key] for key in flags if "query" in key and "concurrency" not in key
    }


def test_federation_is_the_same_text(both):
    ours, theirs, _ = both
    for query in (
        "match[]=num",
        "match[]={__name__=~'seen.*|ended|paused|odd'}",
        "match[]=num&match[]=seen_total",
        "match[]=nosuch",
    ):
        mine, yours = (side.ask("GET", f"/federate?{query}") for side in (ours, theirs))
        assert mine[1]["Content-Type"] == yours[1]["Content-Type"]
        assert sorted(mine[2].splitlines()) == sorted(yours[2].splitlines()), query
    assert ours.ask("GET", "/federate?match[]=a%2B")[0] == theirs.ask("GET", "/federate?match[]=a%2B")[0] == 400

"""What becomes of a scrape, under the virtual clock."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest

from hypercare.collectors.scrape.job import Limits
from hypercare.collectors.settings import SecretFiles, http_settings
from hypercare.config import HttpClientConfig
from hypercare.model.labels import Labels
from hypercare.model.relabel import RelabelAction, RelabelRule
from hypercare.ports import HttpResponse, PortError
from hypercare.sim.world import ok

A = "a:80"


def test_a_static_target_is_scraped_into_the_store(lab):
    lab.target(A, b'# TYPE hits_total counter\nhits_total{code="200"} 5\nload 1.5\n')
    lab.apply(lab.setup(A))
    lab.run(45)
    rows = lab.series("hits_total")
    labels = Labels.of(__name__="hits_total", code="200", instance=A, job="j")
    assert list(rows) == [labels]
    times = [at for at, _ in rows[labels]]
    assert len(times) == 3
    assert [b - a for a, b in itertools.pairwise(times)] == [15_000, 15_000]
    assert lab.values("up") == [1, 1, 1]
    assert lab.values("scrape_samples_scraped") == [2, 2, 2]
    assert lab.values("scrape_samples_post_metric_relabeling") == [2, 2, 2]
    assert lab.values("scrape_series_added") == [2, 0, 0]
    assert lab.values("scrape_duration_seconds") == [0.005] * 3
    status = lab.service.snapshot().active[0]
    assert (status.health, status.last_error, status.scrape_url) == ("up", "", f"http://{A}/metrics")
    assert status.metadata["hits_total"].type == "counter"


def test_two_targets_are_spread_over_the_interval_and_keep_their_place_after_a_restart(lab):
    for host in ("a:80", "b:80", "c:80"):
        lab.target(host, b"m 1\n")
    lab.apply(lab.setup("a:80", "b:80", "c:80"))
    lab.run(30)
    offsets = {key: {at % 15_000 for at, _ in rows} for key, rows in lab.series("m").items()}
    assert all(len(places) == 1 for places in offsets.values())
    assert len({next(iter(places)) for places in offsets.values()}) == 3


@pytest.mark.parametrize(
    ("first", "second", "gone"),
    [
        (b"x 1\ny 2\n", b"x 1\n", "y"),
        (b'x 1\ny{a="b"} 2\nz 3\n', b"x 1\nz 3\nw 4\n", "y"),
        (b"x 1\ny 2\n", b"", "y"),
    ],
)
def test_a_series_that_vanishes_gets_a_staleness_marker_once(lab, first, second, gone):
    lab.target(A, first)
    lab.apply(lab.setup(A))
    lab.run(15)
    lab.bodies[A] = second
    lab.run(45)
    assert lab.values(gone) == [2, "stale"]
    assert lab.values("up") == [1] * 4


def slow_answer(_request: Any, now: int) -> Any:
    return PortError("timeout", "timed out", 10.0, now), 10_000


FAILURES = {
    "refused": (lambda _r, now: (PortError("refused", "connection refused", 0.001, now), 1), "connection refused"),
    "slow": (slow_answer, "timed out"),
    "status": (lambda _r, now: (HttpResponse(503, {}, b"", 0.01, now), 5), "HTTP status 503 Service Unavailable"),
    "junk": (b"<html>\n<body>hello</body>", "line 1"),
    "cut off": (b'x 1\ny{a="b', "line 2"),
    "binary": (bytes(range(256)) * 10, "line 1"),
    "not utf-8": (b'x{a="\xff"} 1\n', "UTF-8"),
    "twice the same label": (b'x{a="1",a="2"} 1\n', "twice"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_failed_scrape_is_seen_in_up_and_ends_the_series(lab, name):
    answer, _ = FAILURES[name]
    lab.target(A, b"x 1\ny 2\n")
    lab.target("other:80", b"fine 1\n")
    lab.apply(lab.setup(A, "other:80"))
    lab.run(15)
    lab.bodies[A] = answer
    lab.run(30)
    lab.bodies[A] = b"x 3\ny 4\n"
    lab.run(15)
    assert lab.values("x") == [1, "stale", 3]
    assert lab.values("up", instance=A) == [1, 0, 0, 1]
    assert lab.values("fine") == [1] * 4
    assert lab.values("up", instance="other:80") == [1] * 4


@pytest.mark.parametrize("name", FAILURES)
def test_the_error_is_on_the_target(lab, name):
    answer, text = FAILURES[name]
    lab.target(A, answer)
    lab.apply(lab.setup(A))
    lab.run(29)
    status = lab.service.snapshot().active[0]
    assert status.health == "down"
    assert text in status.last_error


def test_a_target_that_goes_away_ends_its_series_and_reports(lab):
    lab.target(A, b"x 1\n")
    lab.target("b:80", b"y 1\n")
    lab.apply(lab.setup(A, "b:80"))
    lab.run(15)
    lab.apply(lab.setup("b:80"))
    lab.run(30)
    assert lab.values("x") == [1, "stale"]
    assert lab.values("up", instance=A) == [1, "stale"]
    assert lab.values("y") == [1, 1, 1]
    assert [t.labels.get("instance") for t in lab.service.snapshot().active] == ["b:80"]


def test_a_job_that_goes_away_ends_its_targets(lab):
    lab.target(A, b"x 1\n")
    lab.apply(lab.setup(A))
    lab.run(15)
    lab.apply()
    lab.run(30)
    assert lab.values("x") == [1, "stale"]
    assert lab.service.snapshot().active == ()


def test_a_reload_that_changes_nothing_leaves_the_scrapes_alone(lab):
    lab.target(A, b"x 1\n")
    lab.apply(lab.setup(A))
    lab.run(20)
    lab.apply(lab.setup(A))
    lab.run(25)
    times = [at for rows in lab.series("x").values() for at, _ in rows]
    assert len(times) == 3
    assert times[2] - times[0] == 30_000
    assert lab.values("scrape_series_added") == [1, 0, 0]


def test_new_metric_relabelling_marks_what_it_drops(lab):
    lab.target(A, b"x 1\ny 2\n")
    lab.apply(lab.setup(A))
    lab.run(15)
    drop = RelabelRule(RelabelAction.DROP, ("__name__",), regex="y")
    lab.apply(lab.setup(A, metric_relabel=(drop,)))
    lab.run(30)
    assert lab.values("x") == [1, 1, 1]
    assert lab.values("y") == [2, "stale"]
    assert lab.values("scrape_samples_scraped") == [2, 2, 2]
    assert lab.values("scrape_samples_post_metric_relabeling") == [2, 1, 1]


def test_an_answer_that_comes_after_the_target_is_gone_is_thrown_away(lab):
    lab.target(A, lambda _r, now: (ok(b"late 1\n", now), 5_000))
    lab.apply(lab.setup(A))
    while not lab.requests:
        lab.run(0.5)
    lab.apply()
    lab.run(30)
    assert lab.series("late") == {}


def test_scrapes_that_would_overlap_are_skipped_and_counted(lab):
    lab.target(A, lambda _r, now: (ok(b"x 1\n", now), 25_000))
    # A broken adapter that answers after the timeout; the interval is what counts here.
    setup = lab.setup(A, interval=10_000, timeout=30_000, relabel=(
        RelabelRule(target_label="__scrape_timeout__", replacement="10s"),))  # fmt: skip
    lab.world.exchange = lambda _request, reply: lab.world.after(25_000, lambda: reply(ok(b"x 1\n", lab.clock.now())))
    lab.apply(setup)
    lab.run(70)
    assert lab.service.snapshot().active[0].skipped == 4
    assert len(lab.values("x")) == 2
    assert b"hypercare_scrapes_skipped_total 4" in lab.own.render(lab.clock.now())


CLASHES = [
    # (honor_labels, exposed, stored labels without name and job)
    (False, b'x{instance="theirs"} 1\n', {"instance": A, "exported_instance": "theirs"}),
    (True, b'x{instance="theirs"} 1\n', {"instance": "theirs"}),
    (False, b'x{instance="t",exported_instance="e"} 1\n',
     {"instance": A, "exported_instance": "e", "exported_exported_instance": "t"}),
    (True, b"x 1\n", {"instance": A}),
    (False, b'x{instance=""} 1\n', {"instance": A}),
    (False, b'x{code="5"} 1\n', {"instance": A, "code": "5"}),
]  # fmt: skip


@pytest.mark.parametrize(("honor", "body", "expected"), CLASHES)
def test_honor_labels(lab, honor, body, expected):
    lab.target(A, body)
    lab.apply(lab.setup(A, honor_labels=honor))
    lab.run(15)
    (labels,) = lab.series("x")
    assert labels.without(["__name__", "job"]).as_dict() == expected


def test_honor_timestamps(lab):
    at = lab.clock.now() - 5_000
    lab.target(A, f"x 1 {at}\ny 2\n".encode())
    lab.apply(lab.setup(A))
    lab.run(30)
    assert list(lab.series("x").values()) == [[(at, 1.0)]]
    assert lab.values("y") == [2, 2]
    assert lab.values("scrape_samples_scraped") == [2, 2]
    assert lab.values("scrape_series_added") == [2, 0]
    lab.bodies[A] = b"y 2\n"
    lab.run(15)
    assert lab.values("x") == [1], "nobody knows when a series with its own times ends"


def test_timestamps_can_be_ignored(lab):
    lab.target(A, b"x 1 12345\n")
    lab.apply(lab.setup(A, honor_timestamps=False))
    lab.run(30)
    assert lab.values("x") == [1, 1]
    assert min(at for rows in lab.series("x").values() for at, _ in rows) > 1_000_000_000_000


LIMITS = [
    (Limits(samples=1), "sample limit exceeded"),
    (Limits(labels=3), "label_limit exceeded"),
    (Limits(label_name_length=3), "label_name_length_limit exceeded"),
    (Limits(label_value_length=3), "label_value_length_limit exceeded"),
    (Limits(targets=1), "target_limit exceeded (number of targets: 2, limit: 1)"),
]


@pytest.mark.parametrize(("limits", "text"), LIMITS, ids=[t for _, t in LIMITS])
def test_a_limit_that_is_exceeded_fails_the_scrape(lab, limits, text):
    for host in (A, "b:80"):
        lab.target(host, b'x{code="2",path="/long"} 1\ny 2\n')
    lab.apply(lab.setup(A, "b:80", limits=limits))
    lab.run(30)
    assert lab.values("up", instance=A) == [0, 0]
    assert lab.values("x", instance=A) == []
    status = lab.service.snapshot().active[0]
    assert text in status.last_error


def test_limits_that_are_kept_change_nothing(lab):
    lab.target(A, b'x{code="2"} 1\ny 2\n')
    lab.apply(lab.setup(A, limits=Limits(samples=2, targets=1, labels=4, label_name_length=8, label_value_length=4)))
    lab.run(30)
    assert lab.values("x") == [1, 1]


def test_the_body_limit_goes_to_the_port(lab):
    lab.target(A, b"x 1\n")
    lab.apply(lab.setup(A, limits=Limits(body_size=1000)))
    lab.run(15)
    assert lab.requests[0].max_bytes == 1000


def test_the_sample_limit_counts_after_relabelling_and_holds_for_known_lines(lab):
    drop = RelabelRule(RelabelAction.DROP, ("__name__",), regex="y")
    lab.target(A, b"x 1\ny 2\n")
    lab.apply(lab.setup(A, limits=Limits(samples=1), metric_relabel=(drop,)))
    lab.run(15)
    assert lab.values("up") == [1]
    lab.bodies[A] = b"x 1\ny 2\nz 3\n"
    lab.run(15)
    assert lab.values("up") == [1, 0]
    assert lab.values("x") == [1, "stale"]


def test_a_sample_limit_keeps_a_flood_out_of_the_store(lab):
    lab.target(A, "".join(f'x{{n="{i}"}} 1\n' for i in range(10_000)).encode())
    lab.apply(lab.setup(A, limits=Limits(samples=50)))
    lab.run(15)
    group = lab.tsdb.group(f"scrape/{lab.service.snapshot().active[0].scrape_pool}/none")
    assert lab.values("up") == [0]
    assert sum(len(g.series) for g in lab.tsdb._groups.values() if g is not group) < 100


def test_duplicate_series_count_once_and_the_first_wins(lab):
    lab.target(A, b"x 1\nx 2\ny 3\n")
    lab.apply(lab.setup(A))
    lab.run(30)
    assert lab.values("x") == [1, 1]
    assert lab.values("scrape_samples_scraped") == [3, 3]


def test_a_targets_own_up_does_not_cover_ours(lab):
    lab.target(A, b"up 0\nx 1\n")
    lab.apply(lab.setup(A))
    lab.run(15)
    assert lab.values("up") == [1]
    assert lab.values("x") == [1]


def test_extra_metrics(lab):
    lab.target(A, b"x 1\n")
    lab.apply(lab.setup(A, extra_metrics=True, limits=Limits(samples=7)))
    lab.run(15)
    assert lab.values("scrape_timeout_seconds") == [10]
    assert lab.values("scrape_sample_limit") == [7]
    assert lab.values("scrape_body_size_bytes") == [4]


def test_openmetrics_is_told_by_its_content_type(lab):
    body = b'# TYPE x counter\n# UNIT x_seconds seconds\nx_total 1 # {trace="abc"} 0.5\nx_created 17\n# EOF\n'
    lab.target(A, body, "application/openmetrics-text; version=1.0.0; charset=utf-8")
    lab.apply(lab.setup(A))
    lab.run(30)
    assert lab.values("x_total") == [1, 1]
    lab.bodies[A] = body.removesuffix(b"# EOF\n")
    lab.run(15)
    assert lab.values("up") == [1, 1, 0]


def test_target_relabelling_and_parameters(lab):
    rules = (
        RelabelRule(RelabelAction.DROP, ("__address__",), regex="b:.*"),
        RelabelRule(source_labels=("__address__",), target_label="__param_target"),
        RelabelRule(target_label="__address__", replacement="prober:9115"),
        RelabelRule(source_labels=("__param_target",), target_label="instance"),
        RelabelRule(source_labels=("__param_module",), target_label="module"),
        RelabelRule(target_label="__metrics_path__", replacement="probe"),
        RelabelRule(target_label="__scrape_interval__", replacement="30s"),
    )
    lab.target("prober:9115", b"probe_success 1\n")
    lab.apply(lab.setup("a:80", "b:80", relabel=rules, params=(("module", ("http", "second")),)))
    lab.run(60)
    (labels,) = lab.series("probe_success")
    assert labels == Labels.of(__name__="probe_success", job="j", instance="a:80", module="http")
    assert lab.requests[0].url == "http://prober:9115/probe?module=http&module=second&target=a%3A80"
    assert len(lab.values("probe_success")) == 2
    snapshot = lab.service.snapshot()
    assert [d.discovered_labels.get("__address__") for d in snapshot.dropped] == ["b:80"]
    assert snapshot.active[0].discovered_labels.get("__address__") == "a:80"
    assert snapshot.active[0].interval == 30_000


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (RelabelRule(target_label="__address__", replacement=""), "no address"),
        (RelabelRule(target_label="__address__", replacement="a/b"), "not a valid hostname"),
        (RelabelRule(target_label="__scrape_interval__", replacement="0s"), "cannot be 0"),
        (RelabelRule(target_label="__scrape_interval__", replacement="soon"), "not a valid duration"),
        (RelabelRule(target_label="__scrape_timeout__", replacement="1h"), "greater than scrape interval"),
    ],
)
def test_a_target_that_cannot_be_used_is_reported_and_harms_no_other(lab, rule, text):
    only_a = RelabelRule(RelabelAction.REPLACE, ("__address__",), regex="a:80", target_label=rule.target_label,
                         replacement=rule.replacement)  # fmt: skip
    lab.target("b:80", b"x 1\n")
    lab.apply(lab.setup("a:80", "b:80", relabel=(only_a,)))
    lab.run(15)
    snapshot = lab.service.snapshot()
    assert [t.labels.get("instance") for t in snapshot.active] == ["b:80"]
    assert [d.error for d in snapshot.discoveries if text in d.error]


def test_requests_say_who_asks_and_for_what(lab):
    lab.target(A, b"x 1\n")
    lab.apply(lab.setup(A, accept="text/plain", timeout=2_500))
    lab.run(15)
    headers = dict(lab.requests[0].headers)
    assert headers["X-Prometheus-Scrape-Timeout-Seconds"] == "2.5"
    assert headers["User-Agent"].startswith("Hypercare/")
    assert "zstd" in headers["Accept-Encoding"]
    assert lab.requests[0].timeout == 2_500


def test_a_loop_that_was_late_goes_on_in_step(lab):
    lab.target(A, b"x 1\n")
    lab.apply(lab.setup(A))
    lab.run(15)
    lab.clock.advance_to(lab.clock.now() + 50_000)
    lab.run(30)
    times = [at for rows in lab.series("x").values() for at, _ in rows]
    assert all(b > a for a, b in itertools.pairwise(times))
    assert times[-1] % 15_000 == times[0] % 15_000
    missed = re.search(rb"^hypercare_scrapes_missed_total (\d+)$", lab.own.render(lab.clock.now()), re.MULTILINE)
    assert len(times) + int(missed[1]) == 6
    assert int(missed[1]) >= 2


def test_columns_that_the_store_gave_up_are_asked_for_again(lab):
    lab.target(A, b"x 1\ny 2\n")
    lab.apply(lab.setup(A))
    lab.run(15)
    for group in lab.tsdb._groups.values():
        group.generation += 1
    lab.run(30)
    assert lab.values("x") == [1, 1, 1]
    assert lab.values("up") == [1, 1, 1]


def test_credentials_of_oauth2_come_from_the_configuration(lab):
    config = HttpClientConfig.model_validate({
        "no_proxy": "a", "proxy_url": "http://p:1",
        "oauth2": {"client_id": "me", "client_secret": "s", "token_url": "http://t/", "scopes": ["x"],
                   "endpoint_params": {"k": "v"}},
    })  # fmt: skip
    found = http_settings(config, SecretFiles(lab.ports.files))
    assert found.oauth2 is not None
    assert (found.oauth2.client_id, found.oauth2.client_secret, found.oauth2.scopes) == ("me", "s", ("x",))
    assert found.oauth2.parameters == (("k", "v"),)
    assert (found.proxy_url, found.no_proxy, found.oauth2.proxy_url) == ("http://p:1", "a", "")

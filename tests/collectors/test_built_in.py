"""Collectors that need no exporter, built from a configuration."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from hypercare.config import load
from hypercare.model.labels import Labels
from hypercare.ports import DnsAnswer, HttpResponse, PortError, Reading, TcpResult
from hypercare.sim.world import ok

BASE = """
platform: test
collect:
  host: {enabled: %(host)s, interval: 15s}
  self: {enabled: %(self)s, interval: 15s}
  probes: {interval: 10s, timeout: 4s}
services: %(services)s
prometheus:
  scrape_configs: %(scrapes)s
"""


@dataclasses.dataclass(frozen=True)
class Configure:
    config: object


def configure(lab, services="[]", scrapes="[]", host="false", own="false"):
    text = BASE % {"services": services, "scrapes": scrapes, "host": host, "self": own}
    lab.ports.files.write(Path("/c/hypercare.yml"), text.encode())
    config = load(Path("/c/hypercare.yml"), lab.ports.files, {}, check_files=False)
    lab.kernel.on_message(Configure, lambda ctx, message: lab.service.configure(ctx, message.config))
    lab.kernel.post(Configure(config))
    lab.sim.run_for(1)


def test_the_host_is_a_target_called_node(lab):
    lab.ports.host.readings = (
        Reading("node_load1", "gauge", "1m load average.", (((), 0.5),)),
        Reading("node_cpu_seconds_total", "counter", "", (((("cpu", "0"), ("mode", 'a"b')), 12.25),)),
    )
    configure(lab, host="true")
    lab.run(30)
    assert lab.values("node_load1") == [0.5, 0.5]
    (labels,) = lab.series("node_cpu_seconds_total")
    assert labels == Labels.of(__name__="node_cpu_seconds_total", cpu="0", mode='a"b', job="node", instance="box")
    assert lab.values("up") == [1, 1]
    status = lab.service.snapshot().active[0]
    assert (status.scrape_pool, status.scrape_url) == ("node", "host://box/")
    assert status.metadata["node_load1"].help == "1m load average."


def test_hypercare_is_a_target_of_its_own(lab):
    configure(lab, own="true")
    lab.run(30)
    assert lab.values("hypercare_scrapes_total", job="hypercare") == [1, 2]
    assert lab.values("hypercare_targets") == [1, 1]
    assert lab.values("up", instance="box") == [1, 1]


def scrapes_of(lab, path):
    return [r for r in lab.requests if r.url.endswith(path)]


def test_a_scrape_config_is_taken_with_all_its_keys(lab):
    lab.ports.files.write(Path("/c/token"), b"first\n")
    lab.target("a:80", b"x 1\n")
    configure(
        lab,
        scrapes="""
    - job_name: api
      scrape_interval: 10s
      metrics_path: /m
      authorization: {credentials_file: token}
      static_configs: [{targets: ['a:80'], labels: {env: test}}]
      metric_relabel_configs: [{source_labels: [__name__], regex: x, target_label: seen, replacement: 'yes'}]
      """,
    )
    lab.run(10)
    (labels,) = lab.series("x")
    assert labels.as_dict() == {"__name__": "x", "env": "test", "instance": "a:80", "job": "api", "seen": "yes"}
    headers = dict(scrapes_of(lab, "/m")[0].headers)
    assert headers["Authorization"] == "Bearer first"
    assert headers["Accept"].startswith("application/openmetrics-text;version=1.0.0")
    lab.ports.files.write(Path("/c/token"), b"second\n")
    lab.run(45)
    assert dict(lab.requests[-1].headers)["Authorization"] == "Bearer second"
    assert lab.values("scrape_series_added")[1:] == [0] * (len(lab.values("up")) - 1)
    del lab.ports.files.files[Path("/c/token")]
    lab.run(45)
    assert lab.values("up")[-1] == 0
    assert "cannot read a secret" in lab.service.snapshot().active[0].last_error


def probe(lab, health, seconds=10):
    configure(lab, services="[{name: api, tier: 1, health: %s}]" % health)  # noqa: UP031 - braces are YAML
    lab.run(seconds)


HTTP = [
    ("{http: 'http://api:80/health'}", lambda now: ok(b"fine", now), 1, 200),
    ("{http: 'http://api:80/health'}", lambda now: HttpResponse(500, {}, b"", 0.01, now), 0, 500),
    (
        "{http: 'http://api:80/health', expect: {status: [200, 5xx]}}",
        lambda now: HttpResponse(500, {}, b"", 0.01, now),
        1,
        500,
    ),
    ("{http: 'http://api:80/health', expect: {body: 'f.ne'}}", lambda now: ok(b"all is fine here", now), 1, 200),
    ("{http: 'http://api:80/health', expect: {body: 'f.ne'}}", lambda now: ok(b"broken", now), 0, 200),
    ("{http: 'http://api:80/health', max_latency: 100ms}", lambda now: ok(b"", now, 0.2), 0, 200),
    ("{http: 'http://api:80/health', max_latency: 100ms}", lambda now: ok(b"", now, 0.05), 1, 200),
    ("{http: 'http://api:80/health'}", lambda now: PortError("refused", "no", 0.001, now), 0, 0),
]


@pytest.mark.parametrize(("health", "answer", "success", "status"), HTTP)
def test_http_probes(lab, health, answer, success, status):
    lab.target("api:80", lambda _request, now: (answer(now), 5))
    probe(lab, health)
    labels = {"job": "probe", "instance": "http://api:80/health", "service": "api"}
    assert lab.values("probe_success", **labels) == [success]
    assert lab.values("probe_http_status_code", **labels) == [status]
    assert len(lab.values("probe_duration_seconds", **labels)) == 1
    assert lab.values("up", **labels) == [1], "that the probe could be made is not what it found"
    assert lab.requests[0].trace


def test_http_probe_details(lab):
    answer = HttpResponse(
        200, {"content-length": "7"}, b"fine", 0.5, 0, phases=(("resolve", 0.1), ("tls", 0.2)),
        tls_not_after=(1_800_000_000.0, 1_900_000_000.0), tls_version="TLS 1.3", redirects=2, peer="10.0.0.1",
    )  # fmt: skip
    lab.target("api:80", lambda _request, _now: (answer, 5))
    probe(lab, "{http: 'http://api:80/', name: front, interval: 20s}", seconds=20)
    expected = {
        "probe_http_content_length": 7, "probe_http_uncompressed_body_length": 4, "probe_http_redirects": 2,
        "probe_http_ssl": 1, "probe_http_version": 1.1, "probe_failed_due_to_regex": 0, "probe_ip_protocol": 4,
        "probe_ssl_earliest_cert_expiry": 1.8e9, "probe_dns_lookup_time_seconds": 0.1, "probe_duration_seconds": 0.5,
    }  # fmt: skip
    assert {name: lab.values(name, check="front") for name in expected} == {n: [v] for n, v in expected.items()}
    assert lab.values("probe_http_duration_seconds", phase="tls") == [0.2]
    assert lab.values("probe_tls_version_info", version="TLS 1.3") == [1]


NOW = 1_767_600_000.0
DAY = 86_400.0
CONNECTIONS = [
    ("{tcp: 'db:5432'}", TcpResult(ok=True, duration=0.01, address="::1"), 1),
    ("{tcp: 'db:5432'}", TcpResult(ok=False, duration=0.01, error="refused"), 0),
    ("{tls: 'db:5432'}", TcpResult(ok=True, duration=0.01, tls_not_after=(NOW + 15 * DAY,) * 2, tls_version="TLS 1.3"), 1),
    ("{tls: 'db:5432'}", TcpResult(ok=True, duration=0.01, tls_not_after=(NOW + 13 * DAY,) * 2, tls_version="TLS 1.3"), 0),
    ("{tls: 'db:5432', min_validity: 10d}",
     TcpResult(ok=True, duration=0.01, tls_not_after=(NOW + 13 * DAY,) * 2, tls_version="TLS 1.3"), 1),
]  # fmt: skip


@pytest.mark.parametrize(("health", "result", "success"), CONNECTIONS)
def test_connection_probes(lab, health, result, success):
    lab.ports.network.open_ports["db", 5432] = result
    probe(lab, health)
    assert lab.values("probe_success", instance="db:5432", service="api") == [success]
    if result.address:
        assert lab.values("probe_ip_protocol") == [6]
    if result.tls_not_after:
        assert lab.values("probe_ssl_earliest_cert_expiry") == [result.tls_not_after[0]]


def test_dns_probes(lab):
    lab.ports.network.records["api.test", "A"] = (("api.test", "A", "10.0.0.1", 0),)
    probe(lab, "[{dns: api.test}, {dns: gone.test}]")
    assert lab.values("probe_success", instance="api.test") == [1]
    assert lab.values("probe_dns_answer_rrs", instance="api.test") == [1]
    assert lab.values("probe_success", instance="gone.test") == [0]
    lab.ports.network.resolve = lambda _query, reply: reply(DnsAnswer("SERVFAIL", ()))
    lab.run(10)
    assert lab.values("probe_success", instance="api.test") == [1, 0]
    assert lab.values("probe_dns_query_succeeded", instance="api.test") == [1, 1]


def test_a_reload_with_another_check_goes_on_with_the_others(lab):
    lab.target("api:80", lambda _request, now: (ok(b"", now), 5))
    probe(lab, "[{http: 'http://api:80/a'}, {http: 'http://api:80/b'}]")
    probe(lab, "[{http: 'http://api:80/b'}, {http: 'http://api:80/c'}]", seconds=20)
    assert lab.values("probe_success", instance="http://api:80/a") == [1, "stale"]
    assert lab.values("probe_success", instance="http://api:80/b") == [1, 1, 1]
    assert lab.values("probe_success", instance="http://api:80/c") == [1, 1]
    assert {r.url for r in lab.requests[-2:]} == {"http://api:80/b", "http://api:80/c"}

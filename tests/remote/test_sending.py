"""The sender in the loop: everything arrives, in order, whatever happens to either side."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from remote_kit import START, URL

from hypercare.collectors.scrape.job import HttpSettings
from hypercare.model.histograms import Buckets, Histogram, HistogramSeries
from hypercare.model.ingest import FloatSeries, MetricMetadata, WriteBatch
from hypercare.model.labels import Labels
from hypercare.remote.settings import Destination

V2 = "io.prometheus.write.v2.Request"


@pytest.mark.parametrize("message", ["prometheus.WriteRequest", V2])
@pytest.mark.parametrize("durable", [True, False])
def test_everything_arrives(house, message, durable):
    one = house(durable, protobuf_message=message)
    one.scrape(20)
    one.scrape(20, width=5, name="other", group="scrape/b")
    one.run(10)
    assert one.arrived() == one.written
    assert len(one.server.accepted) == 160
    request = one.server.requests[0][1]
    headers = dict(request.headers)
    assert (request.method, request.url, headers["Content-Encoding"]) == ("POST", URL, "snappy")
    assert headers["X-Prometheus-Remote-Write-Version"] == ("2.0.0" if message == V2 else "0.1.0")


def test_what_was_there_before_is_not_sent(house):
    one = house()
    one.configure({"url": "http://other/"})
    one.scrape(3)
    one.run(6)
    again = house(url="http://third/", start=one.clock.now())
    again.scrape(1)
    again.run(6)
    assert len(again.server.accepted) == 3


def test_small_amounts_wait_and_large_ones_do_not(house):
    one = house(queue_config={"batch_send_deadline": "5s", "max_samples_per_send": 100})
    one.run(6)
    one.scrape(1, width=2)
    one.run(1)
    first = len(one.server.requests)
    one.run(6)
    assert len(one.server.requests) == first + 1
    one.scrape(1, width=200)
    one.run(1.2)
    assert len(one.server.accepted) == 202


def test_requests_have_a_limit_and_series_keep_their_order(house):
    one = house(queue_config={"max_samples_per_send": 7, "max_shards": 4})
    one.server.always = "away"
    one.scrape(300, width=5)
    one.server.always = None
    one.run(120)
    assert one.arrived() == one.written
    seen = {}
    for labels, at, _ in one.server.accepted:
        assert at > seen.get(labels, 0)
        seen[labels] = at
    assert one.server.most > 1
    assert one.server.most <= 4


def test_a_server_that_is_away_gets_everything_later(house):
    one = house()
    one.scrape(5)
    one.server.always = 503
    one.scrape(60)
    assert len(one.arrived()) < 40
    assert one.queue.error.startswith("HTTP status 503")
    tries = len(one.server.requests)
    one.server.always = None
    one.run(15)
    assert one.arrived() == one.written
    assert tries < 40
    assert one.queue.counts.retried > 0
    assert one.queue.counts.failed == 0
    assert one.queue.error == ""


def test_no_log_names_what_is_secret_in_a_url(house, caplog):
    caplog.set_level("INFO")
    one = house(url="http://me:pass-word@far/api/v1/write?key=api-key")
    one.server.script = [503, 400]
    one.scrape(20)
    one.run(20)
    one.scrape(20)
    one.run(20)
    for words in ("trying again", "samples are given up", "works again"):
        assert f"remote write to http://far/api/v1/write{':' if words[0] != 'w' else ''} {words}" in caplog.text
    assert "pass-word" not in caplog.text
    assert "api-key" not in caplog.text


def test_back_off_grows_and_retry_after_is_heeded(house):
    one = house(queue_config={"min_backoff": "100ms", "max_backoff": "2s", "batch_send_deadline": "1s"})
    one.server.script = [500] * 8
    one.scrape(1)
    one.run(20)
    times = [at for at, _ in one.server.requests]
    gaps = [b - a for a, b in itertools.pairwise(times)]
    assert gaps[0] < 200
    assert 1500 <= gaps[6] <= 2100
    assert gaps[:5] == sorted(gaps[:5])
    one.server.script = [(429, {"retry-after": "9"})]
    one.scrape(1)
    one.run(20)
    times = [at for at, _ in one.server.requests]
    assert times[-1] - times[-2] >= 9000
    assert one.arrived() == one.written


def test_what_the_server_refuses_is_given_up_and_counted(house, caplog):
    one = house(queue_config={"batch_send_deadline": "1s"})
    one.server.script = [400]
    one.scrape(1)
    one.run(3)
    one.scrape(1)
    one.run(3)
    assert len(one.arrived()) == 3
    assert one.queue.counts.failed == 3
    assert "samples are given up: HTTP status 400: because" in caplog.text
    one.configure(queue_config={"batch_send_deadline": "1s", "retry_on_http_429": False})
    one.server.script = [429]
    one.scrape(1)
    one.run(3)
    assert one.queue.counts.failed == 3


def test_a_restart_loses_nothing_and_repeats_whole_requests_only(house):
    settings = {"queue_config": {"max_samples_per_send": 10, "batch_send_deadline": "1s"}}
    one = house(**settings)
    written, arrived, bodies = {}, {}, []
    for script in ([200, 200, "away"], ["away"], [200, 503], [], [200, "away"]):
        one.server.script = [*script]
        one.server.always = "away" if script else None
        one.scrape(9, width=5)
        written |= one.written
        one.kill()
        arrived |= one.arrived()
        bodies += [request.body for _, request in one.server.requests]
        one = house(start=one.clock.now(), **settings)
    one.run(30)
    arrived |= one.arrived()
    assert arrived == written
    # What was on its way is on its way again, byte by byte.
    last = one.server.requests[0][1].body
    assert last in bodies


def test_another_server_away_over_a_restart(house):
    one = house()
    one.server.always = "away"
    one.scrape(30)
    one.kill()
    two = house(start=one.clock.now())
    two.scrape(5)
    two.run(10)
    assert two.arrived() == {**one.written, **two.written}


def test_relabelling_and_external_labels(house):
    rules = [
        {"source_labels": ["n"], "regex": "1", "action": "drop"},
        {"regex": "n", "action": "labeldrop"},
        {"source_labels": ["zone"], "target_label": "where"},
    ]
    one = house(external={"zone": "eu", "n": "x"}, write_relabel_configs=rules)
    one.scrape(1, width=2)
    one.run(6)
    assert [labels for labels, _, _ in one.server.accepted] == [Labels.of(__name__="m", zone="eu", where="eu")]


def test_a_change_of_settings_goes_on_where_it_was(house):
    one = house()
    one.scrape(10)
    one.server.always = "away"
    one.scrape(10)
    one.configure(remote_timeout="7s")
    one.server.always = None
    one.scrape(10)
    one.run(10)
    assert one.arrived() == one.written
    assert one.server.requests[-1][1].timeout == 7000
    one.configure(name="new", remote_timeout="7s")
    before = len(one.server.accepted)
    one.scrape(1)
    one.run(10)
    assert len(one.server.accepted) == before + 3


def histograms(one):
    series = HistogramSeries(
        Labels.of(__name__="h", job="j"), np.array([one.clock.now()]),
        (Histogram(1, count=3.0, sum=2.0, positive=Buckets(np.array([2]), np.array([3.0]))),),
    )  # fmt: skip
    floats = FloatSeries(
        Labels.of(__name__="f", job="j"), np.array([one.clock.now()]), np.array([4.0]), np.array([START - 5])
    )

    def write(ctx):
        one.tsdb.write(WriteBatch("remote_write", (floats,), (series,)), ctx.now)
        one.tsdb.flush(ctx.now)

    one.do(write)
    one.run(7)
    return {labels.name: value for labels, _, value in one.server.accepted}


@pytest.mark.parametrize("message", ["prometheus.WriteRequest", V2])
def test_native_histograms_go_where_they_are_wanted(house, message):
    found = histograms(house(send_native_histograms=True, protobuf_message=message))
    assert found["f"] == 4.0
    assert (found["h"].count_float, found["h"].sum) == (3.0, 2.0)
    assert set(histograms(house(protobuf_message=message, url="http://b/", start=START + 60_000))) == {"f"}


def test_metadata_of_both_versions(house):
    told = {"m": MetricMetadata("m", "counter", "what it is")}
    one = house(metadata=told, metadata_config={"send_interval": "10s"})
    one.scrape(15)
    assert one.server.metadata == [("m", 1, "what it is")]
    assert one.queue.counts.metadata == 1
    two = house(metadata=told, protobuf_message=V2, name="v2", start=one.clock.now())
    two.scrape(8)
    assert ("m", 1, "what it is") in two.server.metadata


def test_old_samples_are_left_out_where_so_wished(house):
    one = house(queue_config={"sample_age_limit": "10s"})
    one.server.always = "away"
    one.scrape(1)
    one.run(7)
    one.scrape(30)
    one.server.always = None
    one.run(10)
    assert 0 < len(one.arrived()) < 60
    assert one.queue.encoder.dropped > 0


def test_another_room_may_name_destinations_and_groups(house):
    def more(_config, _secrets):
        return (Destination("backend", "http://engine/write", HttpSettings(), groups=("rules/",)),)

    one = house(more=more)
    one.scrape(3)
    one.scrape(3, name="recorded", group="rules/x")
    one.run(10)
    sent = {request.url for _, request in one.server.requests}
    assert sent == {URL, "http://engine/write"}
    assert len(one.server.values("recorded")) == 2 * 9
    assert len(one.server.values("m")) == 9


def test_what_is_told_of_it(house):
    one = house(url="http://user:secret@far/write?token=x", name="far")
    one.scrape(3)
    one.run(6)
    found = {reading.name: reading.samples for reading in one.remote.readings()}
    labels = (("remote_name", "far"), ("url", "http://far/write"))
    assert found["prometheus_remote_storage_samples_total"] == ((labels, 9.0),)
    assert found["prometheus_remote_storage_samples_pending"] == ((labels, 0.0),)
    assert found["prometheus_remote_storage_samples_in_total"] == (((), 9.0),)
    assert found["prometheus_remote_storage_queue_highest_sent_timestamp_seconds"] == ((labels, START / 1000 + 2),)
    assert len({reading.name for reading in one.remote.readings()}) == len(list(one.remote.readings()))


def test_log_in_headers_and_tls_go_with_every_request(house):
    one = house(
        url="https://far/write",
        basic_auth={"username": "u", "password": "p"},
        headers={"X-Scope-OrgID": "team"},
        tls_config={"insecure_skip_verify": True},
        proxy_url="http://proxy:3128",
        follow_redirects=False,
    )
    one.scrape(1)
    one.run(7)
    request = one.server.requests[0][1]
    assert (request.basic_auth.username, request.basic_auth.password) == ("u", "p")
    assert ("X-Scope-OrgID", "team") in request.headers
    assert request.tls.insecure_skip_verify
    assert (request.proxy_url, request.follow_redirects) == ("http://proxy:3128", False)


def test_a_secret_that_cannot_be_read_holds_samples_back(house, caplog):
    one = house(authorization={"credentials_file": "/nowhere/token"})
    one.scrape(3)
    one.run(20)
    assert one.server.requests == []
    assert "cannot read a secret" in one.queue.error
    assert caplog.text.count("trying again") == 1
    one.configure()
    one.run(10)
    assert one.arrived() == one.written

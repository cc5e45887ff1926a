"""Where targets come from, and what happens when that place is not well."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hypercare.collectors.discovery import DnsDiscovery, FileDiscovery, HttpDiscovery
from hypercare.collectors.scrape.job import HttpSettings
from hypercare.collectors.setups import JobSetup
from hypercare.model.relabel import RelabelAction, RelabelRule
from hypercare.ports import HttpResponse, PortError
from hypercare.sim.world import ok

KEEP_META = (RelabelRule(RelabelAction.LABELMAP, regex="__meta_(.*)", replacement="meta_$1"),)


def addresses(lab):
    return [t.labels.get("instance") for t in lab.service.snapshot().active]


def errors(lab):
    return [d.error for d in lab.service.snapshot().discoveries if d.error]


def by(lab, *discoveries, **settings):
    return JobSetup(lab.job(**settings), discoveries)


def groups(*targets, **labels):
    return json.dumps([{"targets": targets, "labels": labels}]).encode()


def test_files_are_read_again_within_five_seconds_of_a_change(lab):
    path = Path("/sd/a.json")
    lab.ports.files.write(path, groups("a:80", env="test"))
    for host in ("a:80", "b:80"):
        lab.target(host, b"x 1\n")
    lab.apply(by(lab, FileDiscovery(lab.ports.files, ("/sd/*.json",), 300_000), relabel=KEEP_META))
    target = lab.service.snapshot().active[0]
    assert target.labels.as_dict() == {"env": "test", "instance": "a:80", "job": "j", "meta_filepath": "/sd/a.json"}
    lab.run(15)
    lab.ports.files.write(path, groups("b:80"))
    lab.run(5.1)
    assert addresses(lab) == ["b:80"]
    assert lab.values("up", instance="a:80")[-1] == "stale"


def test_yaml_keeps_texts_as_they_are_written(lab):
    lab.ports.files.write(Path("/sd/a.yml"), b"- targets: ['a:80']\n  labels: {version: 1.10, canary: yes}\n")
    lab.apply(by(lab, FileDiscovery(lab.ports.files, ("/sd/a.yml",), 300_000)))
    assert lab.service.snapshot().active[0].labels.as_dict() == {
        "version": "1.10", "canary": "yes", "instance": "a:80", "job": "j",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", b"{not json"),
        ("a.json", b'{"targets": []}'),
        ("a.json", b'[{"targets": [1]}]'),
        ("a.json", b'[{"targets": "a:80"}]'),
        ("a.json", b'[{"targets": ["a:80"], "labels": {"a": 1}}]'),
        ("a.json", b'[{"targets": ["a:80"], "lables": {}}]'),
        ("a.json", b"[" * 100_000),
        ("a.yml", b"- targets: [a:80\n"),
        ("a.yml", b"\xff\xfe\x00"),
    ],
)
def test_a_broken_file_keeps_its_last_targets_and_is_seen(lab, name, content):
    path = Path("/sd") / name
    lab.ports.files.write(path, groups("a:80"))
    lab.ports.files.write(Path("/sd/good.json"), groups("b:80"))
    lab.apply(by(lab, FileDiscovery(lab.ports.files, ("/sd/*.json", "/sd/*.yml"), 5_000)))
    lab.ports.files.write(path, content)
    lab.run(6)
    assert sorted(addresses(lab)) == ["a:80", "b:80"]
    assert [str(path) in e for e in errors(lab)] == [True]
    lab.ports.files.write(path, groups("c:80"))
    lab.run(6)
    assert sorted(addresses(lab)) == ["b:80", "c:80"]
    assert errors(lab) == []


def test_a_deleted_file_takes_its_targets_along(lab):
    lab.ports.files.write(Path("/sd/a.json"), groups("a:80"))
    lab.apply(by(lab, FileDiscovery(lab.ports.files, ("/sd/*.json",), 5_000)))
    assert addresses(lab) == ["a:80"]
    del lab.ports.files.files[Path("/sd/a.json")]
    lab.run(6)
    assert addresses(lab) == []
    assert errors(lab) == ["no file fits /sd/*.json"]


def http_sd(lab):
    return by(lab, HttpDiscovery(lab.ports.http, "http://sd:80/targets", 30_000, HttpSettings()), relabel=KEEP_META)


def test_http(lab):
    lab.target("sd:80", groups("a:80", env="test"), "application/json")
    lab.apply(http_sd(lab))
    lab.run(1)
    assert lab.service.snapshot().active[0].labels.as_dict() == {
        "env": "test", "instance": "a:80", "job": "j", "meta_url": "http://sd:80/targets",
    }  # fmt: skip
    headers = dict(lab.requests[0].headers)
    assert headers["X-Prometheus-Refresh-Interval-Seconds"] == "30"
    lab.bodies["sd:80"] = groups("b:80")
    lab.run(31)
    assert addresses(lab) == ["b:80"]


@pytest.mark.parametrize(
    "answer",
    [
        lambda now: PortError("refused", "connection refused", 0.0, now),
        lambda now: HttpResponse(500, {"content-type": "application/json"}, b"[]", 0.0, now),
        lambda now: ok(b"[]", now, content_type="text/html"),
        lambda now: ok(b"{}", now, content_type="application/json"),
        lambda now: ok(b"junk", now, content_type="application/json"),
    ],
)
def test_an_http_answer_that_is_none_keeps_the_last_targets(lab, answer):
    lab.target("sd:80", groups("a:80"), "application/json; charset=utf-8")
    lab.apply(http_sd(lab))
    lab.run(1)
    lab.bodies["sd:80"] = lambda _request, now: (answer(now), 5)
    lab.run(31)
    assert addresses(lab) == ["a:80"]
    assert len(errors(lab)) == 1
    lab.bodies["sd:80"] = b"[]"
    lab.run(31)
    assert (addresses(lab), errors(lab)) == ([], [])


DNS = [
    ("SRV", 0, (("n", "SRV", "b.test.", 8081), ("n", "SRV", "a.test.", 8080)), ["a.test:8080", "b.test:8081"]),
    ("A", 9100, (("n", "A", "10.0.0.2", 0), ("n", "CNAME", "m.", 0), ("n", "A", "10.0.0.1", 0)),
     ["10.0.0.1:9100", "10.0.0.2:9100"]),
    ("AAAA", 9100, (("n", "AAAA", "::1", 0),), ["[::1]:9100"]),
    ("MX", 25, (("n", "MX", "10 mail.test.", 0),), ["mail.test:25"]),
    ("NS", 53, (("n", "NS", "ns.test.", 0),), ["ns.test:53"]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "port", "records", "expected"), DNS)
def test_dns(lab, kind, port, records, expected):
    lab.ports.network.records["n", kind] = records
    lab.apply(by(lab, DnsDiscovery(lab.ports.network, ("n",), kind, port, 30_000)))
    lab.run(1)
    assert addresses(lab) == expected
    assert lab.service.snapshot().active[0].discovered_labels.get("__meta_dns_name") == "n"


def test_dns_meta_labels(lab):
    lab.ports.network.records["n", "SRV"] = (("n", "SRV", "a.test.", 8080),)
    lab.apply(by(lab, DnsDiscovery(lab.ports.network, ("n",), "SRV", 0, 30_000)))
    lab.run(1)
    found = lab.service.snapshot().active[0].discovered_labels
    assert found.get("__meta_dns_srv_record_target") == "a.test."
    assert found.get("__meta_dns_srv_record_port") == "8080"


def test_a_dns_name_that_fails_keeps_its_targets_while_others_move(lab):
    network = lab.ports.network
    network.records["a", "A"] = (("a", "A", "10.0.0.1", 0),)
    network.records["b", "A"] = (("b", "A", "10.0.0.2", 0),)
    lab.apply(by(lab, DnsDiscovery(network, ("a", "b"), "A", 80, 30_000)))
    lab.run(1)
    plain = network.resolve

    def failing(query, reply):
        if query.name == "a":
            lab.world.after(1, lambda: reply(PortError("timeout", "no answer")))
        else:
            plain(query, reply)

    network.resolve = failing
    network.records["b", "A"] = (("b", "A", "10.0.0.3", 0),)
    lab.run(31)
    assert addresses(lab) == ["10.0.0.1:80", "10.0.0.3:80"]
    assert errors(lab) == ["a: no answer"]


def test_a_reload_does_not_ask_an_unchanged_discovery_anew_for_its_targets(lab):
    lab.target("sd:80", groups("a:80"), "application/json")
    lab.apply(http_sd(lab))
    lab.run(1)
    lab.bodies["sd:80"] = lambda _request, now: (PortError("refused", "no", 0.0, now), 5)
    lab.apply(http_sd(lab))
    assert addresses(lab) == ["a:80"]


def test_a_changed_discovery_keeps_the_targets_until_it_knows_better(lab):
    lab.target("sd:80", groups("a:80"), "application/json")
    lab.target("a:80", b"x 1\n")
    lab.apply(by(lab, HttpDiscovery(lab.ports.http, "http://sd:80/targets", 30_000, HttpSettings())))
    lab.run(16)
    changed = by(lab, HttpDiscovery(lab.ports.http, "http://sd:80/other", 30_000, HttpSettings()))
    lab.apply(changed)
    lab.run(30)
    assert lab.values("x") == [1, 1, 1]

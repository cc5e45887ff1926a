"""Services of the virtual world: what load, faults and releases do to their metrics."""

from __future__ import annotations

import numpy as np
import pytest

from hypercare.model.time import HOUR, MINUTE, SECOND, parse_rfc3339, to_datetime
from hypercare.ports import HttpRequest, PortError
from hypercare.sim import VirtualClock, World
from hypercare.sim.chance import Chance
from hypercare.sim.exposed import shares
from hypercare.sim.scenario import Fault, Hidden, Release, Service, Traffic
from hypercare.sim.service import SimService, by_hour

START = parse_rfc3339("2026-01-05T08:00:00Z")


class House:
    def __init__(self, **plan):
        self.clock = VirtualClock(START)
        self.world = World(self.clock, 1)
        self.service = SimService(self.world, "api", Service.model_validate(plan), {"api:80": ""}, named=False, seed=1)

    def scrape(self):
        seen = []
        self.world.exchange(HttpRequest("GET", "http://api:80/metrics"), seen.append)
        while not seen:
            self.clock.advance_to(self.world.next_due())
            self.world.happen()
        if isinstance(seen[0], PortError):
            return seen[0].kind
        lines = [line for line in seen[0].body.decode().splitlines() if not line.startswith("#")]
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}

    def let(self, span, every=30 * SECOND):
        for _ in range(span // every):
            self.clock.advance_to(self.clock.now() + every)
            while self.world.next_due() is not None and self.world.next_due() <= self.clock.now():
                self.world.happen()
            page = self.scrape()
        return page


def total(page, name, **labels):
    wanted = [f'{k}="{v}"' for k, v in labels.items()]
    return sum(v for k, v in page.items() if k.startswith(name + "{") and all(w in k for w in wanted))


def mean(page):
    count = total(page, "http_request_duration_seconds_count")
    return total(page, "http_request_duration_seconds_sum") / count


def test_rates_are_those_of_the_scenario():
    page = House(traffic={"rate": 50}, errors=0.01).let(HOUR)
    assert total(page, "http_requests_total") == pytest.approx(50 * 3600, rel=0.02)
    assert total(page, "http_requests_total", status="500") == pytest.approx(0.5 * 3600, rel=0.1)
    assert total(page, "http_request_duration_seconds_bucket", le="+Inf") == pytest.approx(
        total(page, "http_requests_total"), rel=0.01
    )


def test_buckets_are_cumulative_and_the_mean_fits_the_log_normal_law():
    page = House(latency={"median": "200ms", "spread": 0.5}).let(HOUR)
    buckets = [v for k, v in page.items() if "_bucket{" in k]
    assert buckets == sorted(buckets)
    assert mean(page) == pytest.approx(0.2 * np.exp(0.125), rel=0.02)
    assert sum(shares(0.2, 0.5)[0]) == pytest.approx(1.0)


def test_load_makes_slow_and_overload_fails():
    idle, near, over = (
        House(traffic={"rate": 20, "noise": 0}, capacity=c, errors=0).let(HOUR) for c in ("0", "25/s", "10/s")
    )
    assert mean(near) == pytest.approx(5 * mean(idle), rel=0.05)
    assert total(idle, "http_requests_total", status="500") == 0
    failed = total(over, "http_requests_total", status="500") / total(over, "http_requests_total")
    assert failed == pytest.approx(0.5, abs=0.02)


def test_faults_begin_end_and_are_repaired():
    house = House(errors=0)
    house.let(10 * MINUTE)
    house.service.suffer(Fault(errors=0.5), 10 * MINUTE)
    before = house.scrape()
    during = house.let(10 * MINUTE)
    failed = total(during, "http_requests_total", status="500") - total(before, "http_requests_total", status="500")
    assert failed == pytest.approx(0.5 * 10 * 600, rel=0.1)
    after = house.let(10 * MINUTE)
    assert total(after, "http_requests_total", status="500") - total(
        during, "http_requests_total", status="500"
    ) == pytest.approx(0, abs=200)
    house.service.suffer(Fault(down=True), None)
    assert house.scrape() == "refused"
    assert house.service.repair()
    assert isinstance(house.scrape(), dict)
    house.service.suffer(Fault(unreachable=True), None)
    assert house.scrape() == "timeout"


def test_a_release_shows_what_it_hid_later_and_a_roll_back_ends_it():
    house = House(version="v1", errors=0)
    house.let(5 * MINUTE)
    hides = Hidden.model_validate({"errors": 0.2, "after": "30m"})
    house.service.deploy(Release(version="v2", hides=hides))
    early = house.let(30 * MINUTE)
    assert total(early, "http_requests_total", version="v2") > 0
    assert total(early, "http_requests_total", version="v1") == 0
    assert total(early, "http_requests_total", status="500") == 0
    late = house.let(30 * MINUTE)
    assert total(late, "http_requests_total", status="500") > 1000
    assert house.service.roll_back()
    assert total(house.let(30 * MINUTE), "http_requests_total", version="v1", status="500") == 0


def test_two_colours_share_the_traffic():
    house = House(version="v1", color="blue")
    house.service.deploy(Release(version="v2", color="green", share=0.25))
    page = house.let(HOUR)
    green, blue = total(page, "http_requests_total", color="green"), total(page, "http_requests_total", color="blue")
    assert green / (green + blue) == pytest.approx(0.25, abs=0.01)


def test_a_leak_ends_with_a_restart_at_the_limit():
    house = House(memory={"size": "100MB", "leak": "100MB/h", "limit": "200MB"})
    half = house.let(30 * MINUTE)
    assert total(half, "process_resident_memory_bytes") == pytest.approx(150 << 20, rel=0.05)
    later = house.let(45 * MINUTE)
    assert total(later, "process_resident_memory_bytes") < 150 << 20
    assert total(later, "process_start_time_seconds") > total(half, "process_start_time_seconds")


def test_a_queue_without_enough_workers_grows():
    plan = {"traffic": {"rate": 10}, "queue": {"share": 1.0, "workers": 4, "work": "1s"}}
    page = House(**plan).let(HOUR)
    assert total(page, "queue_depth") == pytest.approx(6 * 3600, rel=0.05)
    assert total(page, "queue_tasks_total") == pytest.approx(4 * 3600, rel=0.02)


def test_a_model_that_fails_hands_over_to_the_other():
    house = House(llm={"first": {"fallback": "second", "errors": 0}, "second": {}})
    house.service.suffer(Fault(provider="first", errors=1.0), None)
    page = house.let(HOUR)
    assert total(page, "llm_requests_total", provider="first", status="success") == 0
    assert total(page, "llm_requests_total", provider="second", status="success") > 30_000
    assert total(page, "llm_fallbacks_total", provider="first") == pytest.approx(
        total(page, "llm_requests_total", provider="second"), rel=0.03
    )


@pytest.mark.parametrize(
    ("at", "factor"),
    [("2026-01-05T12:00:00Z", 1.0), ("2026-01-05T06:00:00Z", 0.6), ("2026-01-05T00:00:00Z", 0.2), ("2026-01-10T12:00:00Z", 0.5)],
)  # fmt: skip
def test_traffic_by_hour_and_weekday(at, factor):
    traffic = Traffic.model_validate({"hours": {"0": "0.2", "12": "1"}, "weekdays": {"saturday": "0.5"}})
    assert by_hour(traffic, to_datetime(parse_rfc3339(at))) == pytest.approx(factor)


def test_pages_are_filled_up():
    assert len(House(series=100).scrape()) == 100


def test_counts_keep_their_mean_and_spread():
    drawn = np.array([Chance(3, str(n)).counts(np.array([0.3, 7.5, 400.0])) for n in range(4000)])
    assert drawn.mean(axis=0) == pytest.approx([0.3, 7.5, 400.0], rel=0.03)
    assert drawn[:, 2].std() == pytest.approx(20, rel=0.05)
    assert (drawn >= 0).all()
    assert (drawn == np.floor(drawn)).all()

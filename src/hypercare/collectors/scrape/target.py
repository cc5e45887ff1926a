"""From discovered labels to a target, as Prometheus does it."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from hypercare.model.labels import METRIC_NAME, Labels
from hypercare.model.relabel import apply_to_dict
from hypercare.model.time import TOGETHER, format_duration, parse_duration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypercare.collectors.scrape.job import Job
    from hypercare.model.time import Ms

ADDRESS: Final = "__address__"
SCHEME: Final = "__scheme__"
PATH: Final = "__metrics_path__"
INTERVAL: Final = "__scrape_interval__"
TIMEOUT: Final = "__scrape_timeout__"
PARAM: Final = "__param_"
_PLACE: Final = 500


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """Something to scrape.

    Attributes:
        labels: what every sample of it carries.
        discovered: labels before relabelling.
        key: names it within this process and the store: equal for equal job, URL and labels.

    """

    job: str
    url: str
    address: str
    labels: Labels
    discovered: Labels
    interval: Ms
    timeout: Ms
    key: str


@dataclasses.dataclass(frozen=True, slots=True)
class Dropped:
    """Discovered labels that relabelling dropped."""

    job: str
    discovered: Labels


def discovered_labels(job: Job, found: Mapping[str, str]) -> dict[str, str]:
    """What discovery found, with the job's defaults where it says nothing."""
    defaults = {
        "job": job.name,
        SCHEME: job.scheme,
        PATH: job.path,
        INTERVAL: format_duration(job.interval),
        TIMEOUT: format_duration(job.timeout),
        **{PARAM + name: values[0] for name, values in job.params if values},
    }
    return {
        **{name: value for name, value in defaults.items() if not found.get(name)},
        **{n: v for n, v in found.items() if v},
    }


def make_target(job: Job, found: Mapping[str, str]) -> Target | Dropped:
    """Relabel what discovery found and build the target.

    Raises:
        ValueError: there is no address, or an interval that is none; the text is for the user.

    """
    before = discovered_labels(job, found)
    discovered = Labels(before.items())
    labels = dict(before)
    if not apply_to_dict(job.relabel, labels):
        return Dropped(job.name, discovered)
    address = labels.get(ADDRESS, "")
    if not address:
        msg = f"no address: {discovered!s}"
        raise ValueError(msg)
    if "/" in address:
        msg = f"{address!r} is not a valid hostname"
        raise ValueError(msg)
    interval, timeout = _timing(labels)
    url = _url(job, labels, address)
    labels.setdefault("instance", address)
    final = Labels((n, v) for n, v in labels.items() if not n.startswith("__"))
    digest = hashlib.blake2b(f"{url}\xff{final.fingerprint()}".encode("utf-8", "surrogatepass"), digest_size=8)
    return Target(job.name, url, address, final, discovered, interval, timeout, f"{job.name}/{digest.hexdigest()}")


def _timing(labels: Mapping[str, str]) -> tuple[Ms, Ms]:
    try:
        interval, timeout = parse_duration(labels.get(INTERVAL, "")), parse_duration(labels.get(TIMEOUT, ""))
    except ValueError as error:
        msg = f"error parsing scrape interval or timeout: {error}"
        raise ValueError(msg) from None
    if not interval or not timeout:
        msg = "scrape interval and timeout cannot be 0"
        raise ValueError(msg)
    if timeout > interval:
        msg = f"scrape timeout cannot be greater than scrape interval ({labels[TIMEOUT]!r} > {labels[INTERVAL]!r})"
        raise ValueError(msg)
    return interval, timeout


def _url(job: Job, labels: Mapping[str, str], address: str) -> str:
    params = {name: list(values) for name, values in job.params}
    for name, value in labels.items():
        if name.startswith(PARAM):
            key = name.removeprefix(PARAM)
            params[key] = [value, *params.get(key, [])[1:]]
    path = labels.get(PATH, "")
    if path and not path.startswith("/"):
        path = "/" + path
    query = urlencode([(name, value) for name in sorted(params) for value in params[name]])
    scheme = labels.get(SCHEME, "") or "http"
    return f"{scheme}://{address}{path}" + (f"{'&' if '?' in path else '?'}{query}" if query else "")


def offset_of(key: str, interval: Ms) -> Ms:
    """Where in the interval a target is scraped: spread evenly, and the same after every restart.

    Targets share places (a tenth of the interval or half a second apart): a scrape that is read right after another
    finds code and tables in the processor's caches, and takes half the time of one that comes alone.

    Targets of an interval of one or two seconds are scraped together, at its beginning, so that rules can be evaluated
    right after: spread over it, their data would be half an interval old whenever they are looked at.
    """
    if interval <= TOGETHER:
        return 0
    digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    offset = int.from_bytes(digest, "big") % interval
    return offset - offset % max(min(_PLACE, interval // 10), 1)


def first_due(key: str, interval: Ms, now: Ms) -> Ms:
    """The first scrape after ``now``."""
    return now + (offset_of(key, interval) - now) % interval


class SampleLabels:
    """Joins a scraped series with its target's labels (``honor_labels`` says who wins)."""

    def __init__(self, target: Labels, *, honor: bool) -> None:
        self._target = target.as_dict()
        self._honor = honor

    def join(self, scraped: Labels) -> dict[str, str]:
        """The labels before metric relabelling."""
        labels = scraped.as_dict()
        if self._honor:
            return {**self._target, **labels}
        clashes = {name: labels[name] for name in self._target if name in labels}
        labels.update(self._target)
        # Shorter names first, as in Prometheus, so that "a" and "exported_a" clash in one way only.
        for name in sorted(clashes, key=lambda n: (len(n), n)):
            renamed = "exported_" + name
            while renamed in labels:
                renamed = "exported_" + renamed
            labels[renamed] = clashes[name]
        return labels


__all__ = ["METRIC_NAME", "Dropped", "SampleLabels", "Target", "first_due", "make_target", "offset_of"]

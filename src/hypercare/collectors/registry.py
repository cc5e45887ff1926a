"""All kinds of collectors. Adding one is a folder and a line in ``KINDS``."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from hypercare.collectors.settings import SecretFiles
from hypercare.collectors.setups import container_jobs, host_jobs, own_jobs, probe_jobs, pushed_jobs, scrape_jobs

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.collectors.setups import JobSetup, Surroundings
    from hypercare.config import Config


@dataclasses.dataclass(frozen=True, slots=True)
class Kind:
    """One kind of collector.

    Attributes:
        key: where it stands in the configuration.
        build: its jobs.
        docs: one sentence.

    """

    name: str
    key: str
    build: Callable[[Config, Surroundings], tuple[JobSetup, ...]]
    docs: str


KINDS: Final = (
    Kind("scrape", "prometheus: scrape_configs", scrape_jobs, "Reads metrics of HTTP servers, as Prometheus does."),
    Kind("host", "collect.host", host_jobs, "Reads the machine hypercare runs on, under node_exporter's names."),
    Kind(
        "probes",
        "services[].health",
        probe_jobs,
        "Asks services by HTTP, TCP, TLS and DNS, under blackbox_exporter's names.",
    ),
    Kind(
        "containers",
        "deployments: docker_sd_configs, kubernetes_sd_configs",
        container_jobs,
        "Looks at containers and pods for new versions, without scraping them.",
    ),
    Kind("pushed", "", pushed_jobs, "What jobs pushed to /metrics/job/…, until it is deleted."),
    Kind("own", "collect.self", own_jobs, "Hypercare's own metrics, also shown at /metrics."),
)


def setups_of(config: Config, around: Surroundings) -> tuple[JobSetup, ...]:
    """The jobs of all kinds; of two with one name, that of prometheus.yml stays."""
    around.secrets = SecretFiles(around.ports.files)
    found: dict[str, JobSetup] = {}
    for kind in KINDS:
        for setup in kind.build(config, around):
            found.setdefault(setup.job.name, setup)
    return tuple(found.values())

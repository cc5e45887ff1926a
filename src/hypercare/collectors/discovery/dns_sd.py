"""Targets from DNS: A, AAAA, MX, NS and SRV records."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from hypercare.collectors.discovery.base import Discovery, Found
from hypercare.ports import DnsQuery, PortError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.collectors.discovery.base import LabelPairs
    from hypercare.model.time import Ms
    from hypercare.ports import DnsAnswer, Network


class DnsDiscovery(Discovery):
    """Names to look up; a name whose look-up fails keeps the targets it gave last."""

    kind: ClassVar[str] = "dns"

    def __init__(self, network: Network, names: tuple[str, ...], record_type: str, port: int, refresh: Ms) -> None:
        self.every = refresh
        self._network = network
        self._names = names
        self._type = record_type
        self._port = port
        self._lock = threading.Lock()
        self._good: dict[str, tuple[LabelPairs, ...]] = {}

    def ask(self, reply: Callable[[Found], None]) -> None:
        """Look all names up; the reply comes with the last answer."""
        open_names = set(self._names)
        errors: dict[str, str] = {}

        def take(name: str, answer: DnsAnswer | PortError) -> None:
            with self._lock:
                if isinstance(answer, PortError):
                    errors[name] = f"{name}: {answer.message}"
                elif answer.rcode not in {"NOERROR", "NXDOMAIN"}:
                    errors[name] = f"{name}: {answer.rcode}"
                else:
                    self._good[name] = self._targets(name, answer)
                open_names.discard(name)
                if open_names:
                    return
                targets = tuple(t for n in dict.fromkeys(self._names) for t in self._good.get(n, ()))
            reply(Found(targets, "; ".join(errors[n] for n in self._names if n in errors)))

        for name in dict.fromkeys(self._names):
            self._network.resolve(DnsQuery(name, self._type), partial(take, name))

    def _targets(self, name: str, answer: DnsAnswer) -> tuple[LabelPairs, ...]:
        found: set[LabelPairs] = set()
        for _, record_type, text, port in answer.answers:
            if record_type != self._type:
                continue
            host = text.split()[-1].rstrip(".") if text else ""
            meta = {"SRV": "srv", "MX": "mx", "NS": "ns"}.get(record_type)
            pairs: list[tuple[str, str]] = [("__meta_dns_name", name)]
            if meta:
                pairs.append((f"__meta_dns_{meta}_record_target", text.split()[-1]))
            if record_type == "SRV":
                pairs.append(("__meta_dns_srv_record_port", str(port)))
            shown = f"[{host}]" if ":" in host else host
            pairs.append(("__address__", f"{shown}:{port if record_type == 'SRV' else self._port}"))
            found.add(tuple(pairs))
        # Resolvers rotate their answers; the order of targets must not follow.
        return tuple(sorted(found))

    @property
    def identity(self) -> object:
        """Names, type, port and interval."""
        return (self._names, self._type, self._port, self.every)

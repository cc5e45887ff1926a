"""A kernel, a store and the sender under the virtual clock, and a server with a script of answers."""

from __future__ import annotations

import dataclasses

import cramjam
import numpy as np
from messages_kit import v1, v2

from hypercare.config.prometheus import PrometheusConfig
from hypercare.kernel import Kernel, Outbox
from hypercare.model.labels import Labels
from hypercare.model.samples import is_absent
from hypercare.ports import HttpResponse, PortError
from hypercare.remote import RemoteWriteService
from hypercare.sim import Simulation, VirtualClock, World, virtual_ports
from hypercare.state import State
from hypercare.tsdb import Options, Tsdb

START = 1_767_600_000_000
URL = "http://far/api/v1/write"


@dataclasses.dataclass(frozen=True)
class Do:
    run: object


@dataclasses.dataclass
class Config:
    prometheus: PrometheusConfig


class Server:
    """Takes what it gets; ``script`` holds other answers: a status, (status, headers), or an error."""

    def __init__(self, world, clock, delay=5):
        self.world, self.clock, self.delay = world, clock, delay
        self.script = []
        self.always = None
        self.requests = []
        self.accepted = []
        self.metadata = []
        self.now = 0
        self.most = 0

    def submit(self, request, reply):
        self.requests.append((self.clock.now(), request))
        self.now += 1
        self.most = max(self.most, self.now)
        answer = self.script.pop(0) if self.script else self.always or 200
        headers = {}
        if isinstance(answer, tuple):
            answer, headers = answer
        if isinstance(answer, int):
            if answer // 100 == 2:
                self.take(request)
            result = HttpResponse(answer, headers, b"because", 0.005, self.clock.now())
        else:
            result = PortError("refused", answer, 0.001)

        def done():
            self.now -= 1
            reply(result)

        self.world.after(self.delay, done)

    def take(self, request):
        message = bytes(cramjam.snappy.decompress_raw(request.body))
        if "v2" in dict(request.headers)["Content-Type"]:
            found = v2("Request").FromString(message)
            for series in found.timeseries:
                words = [found.symbols[r] for r in series.labels_refs]
                labels = Labels(zip(words[::2], words[1::2], strict=True))
                self.accepted += [(labels, s.timestamp, s.value) for s in series.samples]
                self.accepted += [(labels, h.timestamp, h) for h in series.histograms]
                self.metadata.append((labels.name, series.metadata.type, found.symbols[series.metadata.help_ref]))
            return
        found = v1("WriteRequest").FromString(message)
        for series in found.timeseries:
            labels = Labels((label.name, label.value) for label in series.labels)
            self.accepted += [(labels, s.timestamp, s.value) for s in series.samples]
            self.accepted += [(labels, h.timestamp, h) for h in series.histograms]
        self.metadata += [(m.metric_family_name, m.type, m.help) for m in found.metadata]

    def values(self, name):
        return sorted((at, value) for labels, at, value in self.accepted if labels.name == name)


class House:
    def __init__(self, folder, metadata=None, external=None, more=None, start=START, **entry):
        self.clock = VirtualClock(start)
        self.world = World(self.clock)
        self.server = Server(self.world, self.clock)
        self.ports = dataclasses.replace(virtual_ports(self.clock, self.world), http=self.server)
        self.tsdb = Tsdb.open(folder and folder / "metrics", Options(fsync=False))
        self.state = State.open(folder and folder / "state.db")
        self.kernel = Kernel(self.state, self.ports, Outbox(None))
        told = dict(metadata or {})
        self.remote = RemoteWriteService(self.ports, self.tsdb, lambda: told, more or (lambda _c, _s: ()))
        self.remote.register(self.kernel)
        self.kernel.on_message(Do, lambda ctx, do: do.run(ctx))
        self.sim = Simulation(self.kernel, self.world, self.clock)
        self.kernel.start()
        self.external = external or {}
        self.written = {}
        self.configure(**entry)

    def config(self, *entries):
        text = {"global": {"external_labels": self.external}, "remote_write": list(entries)}
        return Config(PrometheusConfig.model_validate(text))

    def configure(self, *others, **entry):
        config = self.config({"url": URL, **entry}, *others)
        self.do(lambda ctx: self.remote.configure(ctx, config))

    def do(self, run):
        done = self.kernel.call(Do(run))
        self.sim.run_for(0)
        return done.result(0)

    @property
    def queue(self):
        return self.remote.queues()[0]

    def scrape(self, rows=1, width=3, name="m", group="scrape/a", every=1000):
        """Rows of a target; time goes on."""
        for _ in range(rows):
            at = self.clock.now()

            def append(_ctx, at=at):
                found = self.tsdb.group(group)
                columns = np.array([found.column(Labels.of(__name__=name, n=str(n))) for n in range(width)], np.int64)
                values = np.arange(width) + float(at % 100_000)
                self.tsdb.append(found, at, columns, values)
                self.tsdb.flush(at)
                for n in range(width):
                    self.written[Labels.of(__name__=name, n=str(n)), at] = values[n]

            self.do(append)
            self.sim.run_for(every)

    def run(self, seconds):
        self.sim.run_for(int(seconds * 1000))

    def arrived(self):
        return {(labels, at): value for labels, at, value in self.server.accepted}

    def kill(self):
        """End without a word, as a crash does; what the log has is on disk."""
        self.tsdb._disk.log.flush()
        self.close()

    def close(self):
        if self.kernel is not None:
            assert self.kernel.failures == 0
            self.tsdb.close()
            self.state.close()
            self.kernel = None


__all__ = ["START", "URL", "House", "is_absent"]

"""A real Prometheus and a hypercare that hold the very same samples."""

from __future__ import annotations

import gzip
import http.client
import json
import shutil
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.request
from urllib.parse import urlencode, urlsplit

import cramjam
import numpy as np

from hypercare.model.labels import Labels
from hypercare.tsdb import Tsdb


def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def field(number, body):
    return varint(number << 3 | 2) + varint(len(body)) + body


def _samples(times, values):
    """Samples of one series: every one takes 18 bytes, as today's milliseconds take six bytes as a varint."""
    rows = np.zeros((len(times), 18), dtype=np.uint8)
    rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 11] = 0x12, 16, 0x09, 0x10
    rows[:, 3:11] = np.ascontiguousarray(values).view(np.uint8).reshape(-1, 8)
    for i in range(6):
        rows[:, 12 + i] = times >> 7 * i & 127 | (128 if i < 5 else 0)
    return rows.tobytes()


def write_request(series):
    """A remote-write 1.0 request, snappy and all, of (labels, times, values)."""
    parts = []
    for labels, times, values in series:
        pairs = b"".join(field(1, field(1, n.encode()) + field(2, v.encode())) for n, v in labels.pairs)
        parts.append(field(1, pairs + _samples(times, values)))
    return bytes(cramjam.snappy.compress_raw(b"".join(parts)))


class Asking:
    """Asks a server over one kept connection."""

    def __init__(self, url):
        self.url = url
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=180)

    def ask(self, method, path, body=None, headers=None):
        """Status, headers and body."""
        try:
            answer = self._request(method, path, body, headers)
        except (http.client.HTTPException, OSError):
            # A server may close a connection that was idle.
            self._connection.close()
            answer = self._request(method, path, body, headers)
        data = answer.read()
        if answer.headers.get("Content-Encoding") == "gzip":
            data = gzip.decompress(data)
        return answer.status, answer.headers, data

    def _request(self, method, path, body, headers):
        self._connection.request(method, path, body, headers or {})
        return self._connection.getresponse()

    def get(self, path, **parameters):
        """Status and JSON."""
        query = f"?{urlencode(parameters, doseq=True)}" if parameters else ""
        status, _, body = self.ask("GET", f"/api/v1/{path}{query}")
        return status, json.loads(body)


class _Peer(Asking):
    """A server of our own making, up once it says that it is ready."""

    def __init__(self, port, command, folder):
        super().__init__(f"http://127.0.0.1:{port}")
        with (folder / "peer.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=folder)
        end = time.monotonic() + 150
        while not self._ready():
            assert self._process.poll() is None, (folder / "peer.log").read_text()
            assert time.monotonic() < end, f"{command[0]} does not start"
            time.sleep(0.05)

    def _ready(self):
        try:
            return urllib.request.urlopen(f"{self.url}/-/ready", timeout=2).status == 200
        except OSError:
            return False

    def stop(self):
        self._process.terminate()
        self._process.wait(60)


class Hypercare(_Peer):
    """A hypercare of its own, for tests that share one."""

    def __init__(self, folder, port, files):
        for name, text in files.items():
            (folder / name).write_text(text)
        listen, config, data = f"127.0.0.1:{port}", str(folder / "hypercare.yml"), str(folder / "data")
        command = [sys.executable, "-m", "hypercare", "serve", "--config", config, "--data", data, "--listen", listen]
        super().__init__(port, command, folder)


class Prometheus(_Peer):
    """Debian's Prometheus, with a receiver for remote write."""

    def __init__(self, folder, port, config="global: {scrape_interval: 1h}\n", *flags):
        assert shutil.which("prometheus"), "install Debian's prometheus"
        folder.mkdir(exist_ok=True)
        (folder / "prometheus.yml").write_text(config)
        command = [
            "prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address=127.0.0.1:{port}", "--web.enable-remote-write-receiver", "--web.enable-admin-api",
            "--log.level=error", *flags,
        ]  # fmt: skip
        super().__init__(port, command, folder)

    def write(self, series):
        """Samples as of now on; those of one series must come in the order of time."""
        status, _, body = self.ask("POST", "/api/v1/write", write_request(series), {
            "Content-Encoding": "snappy", "Content-Type": "application/x-protobuf",
            "X-Prometheus-Remote-Write-Version": "0.1.0",
        })  # fmt: skip
        assert status in {200, 204}, body


def fill(folder, matrices):
    """Write (labels, times, values[time, series]) into a hypercare's data folder, one group each."""
    store = Tsdb.open(folder / "data" / "metrics")
    for number, (labels, times, values) in enumerate(matrices):
        group = store.group(f"test/{number}")
        columns = np.array([group.column(each) for each in labels], dtype=np.int64)
        for at, row in zip(times.tolist(), values, strict=True):
            store.append(group, at, columns, np.array(row))
    assert not store.problems
    store.close()


def series_of(matrices):
    """The same, series by series, without the cells that hold no sample."""
    from hypercare.model.samples import is_absent

    for labels, times, values in matrices:
        for i, each in enumerate(labels):
            column = np.ascontiguousarray(values[:, i])
            there = ~is_absent(column)
            yield each, times[there], column[there]


def doubles(*values):
    """For values that float() cannot write: bits to doubles."""
    return struct.unpack(f"<{len(values)}d", struct.pack(f"<{len(values)}Q", *values))


__all__ = [
    "Asking",
    "Hypercare",
    "Labels",
    "Prometheus",
    "doubles",
    "field",
    "fill",
    "series_of",
    "write_request",
]

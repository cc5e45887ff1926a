"""A real hypercare process and a client that sends exactly what it is told."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

from ports_kit import free_port


class Server:
    def __init__(self, folder, config, **env):
        self.folder, self.port = folder, free_port()
        (folder / "hypercare.yml").write_text(config)
        self.log = folder / "server.log"
        known = {k: v for k, v in os.environ.items() if not k.startswith("HYPERCARE_")}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "hypercare", "serve", "--listen", f"127.0.0.1:{self.port}", "--log-level", "debug"],
                cwd=folder, stdout=log, stderr=log, env={**known, **env},
            )  # fmt: skip
        self.url = f"http://127.0.0.1:{self.port}"
        end = time.monotonic() + 120
        while not self.ready():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < end
            time.sleep(0.1)

    def ready(self):
        try:
            return urllib.request.urlopen(f"{self.url}/-/ready", timeout=2).status == 200
        except OSError:
            return False

    def ask(self, method, path, body=None, headers=None):
        """Status, headers (lower case), text."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            text = answer.read().decode("utf-8", "replace")
            self.cookies = answer.headers.get_all("Set-Cookie") or []
            return answer.status, {k.lower(): v for k, v in answer.headers.items()}, text
        finally:
            connection.close()

    def raw(self, sent, wait=60):
        """Whatever comes back for these bytes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=wait) as link:
            link.sendall(sent)
            parts = []
            try:
                while part := link.recv(65536):
                    parts.append(part)
            except TimeoutError:
                pass
        return b"".join(parts)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0
        return self.log.read_text()

"""A real PostgreSQL for tests, and the state of any test on it (``pytest --state postgresql``)."""

from __future__ import annotations

import atexit
import hashlib
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time
import weakref
from pathlib import Path

import psutil
import psycopg
from sqlalchemy import event

import hypercare.app  # noqa: F401 - every room's tables register themselves
from hypercare.demo.database import is_ready, prepare_files
from hypercare.state import State, metadata
from ports_kit import free_port

_TEMPLATE = "template_of_state"


class Server:
    """One server in a folder of its own; it may be stopped, killed, frozen and started again."""

    def __init__(self):
        self.root = Path(tempfile.mkdtemp(prefix="hypercare-test-pg-"))
        self.root.chmod(0o755)
        self.database = prepare_files(self.root, free_port())
        self.process = None
        self._named = set()

    @property
    def url(self):
        return self.database.url

    def start(self):
        user = (
            {"user": self.database.user, "group": pwd.getpwnam(self.database.user).pw_gid} if self.database.user else {}
        )
        with (self.root / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.database.command(), cwd=self.database.home, stdout=log, stderr=log, start_new_session=True, **user
            )
        end = time.monotonic() + 120
        while not is_ready(self.database):
            assert time.monotonic() < end, (self.root / "log").read_text()
            assert self.process.poll() is None, (self.root / "log").read_text()
            time.sleep(0.1)
        return self

    def stop(self, number=signal.SIGINT):
        """SIGINT: at once, with all transactions rolled back."""
        self.process.send_signal(number)
        self.process.wait(60)

    def freeze(self):
        """Neither answer nor refuse."""
        self._signal(signal.SIGSTOP)

    def thaw(self):
        self._signal(signal.SIGCONT)

    def _signal(self, number):
        main = psutil.Process(self.process.pid)
        for one in (main, *main.children(recursive=True)):
            one.send_signal(number)

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.thaw()
            self.stop(signal.SIGQUIT)
        home = self.database.home
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.rmtree(home, ignore_errors=True)

    def make(self, name, template=""):
        """The URL of a database of that name, which is made if there is none."""
        if name not in self._named:
            with psycopg.connect(self.url, autocommit=True) as db:
                if not db.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone():
                    db.execute(f'CREATE DATABASE "{name}"' + (f" TEMPLATE {template}" if template else ""))
            self._named.add(name)
        return self.url.rpartition("/")[0] + f"/{name}"


class Touched:
    """Which tables the statements of a session have written and read."""

    WRITES = re.compile(r'\s*INSERT INTO "?(\w+)')
    READS = re.compile(r'\b(?:FROM|JOIN) "?(\w+)')

    def __init__(self):
        self.written, self.read = set(), set()

    def listen(self, engine):
        event.listen(engine, "before_cursor_execute", self._note)

    def _note(self, _connection, _cursor, statement, _parameters, _context, _many):
        self.written.update(self.WRITES.findall(statement))
        if statement.lstrip().startswith(("SELECT", "WITH")):
            self.read.update(self.READS.findall(statement))

    def untouched(self):
        """Tables that were never written, and those that were never read."""
        tables = set(metadata.tables)
        return sorted(tables - self.written), sorted(tables - self.read)


class OnPostgres:
    """Has ``State.open`` of the whole session work on PostgreSQL: one database for all paths of a test."""

    def __init__(self):
        self.server = Server().start()
        atexit.register(self.server.close)
        self.made = 0
        self.touched = Touched()
        self.engines = weakref.WeakSet()
        self.open = State.open
        self.open(None, self.server.make(_TEMPLATE)).close()
        State.open = self.opened

    def part(self):
        """Give idle connections back: a server has a hundred, and not every test closes what it opened."""
        for engine in tuple(self.engines):
            engine.dispose()

    def opened(self, path, _url=""):
        if path is None:
            self.made += 1
            name = f"memory_{self.made}"
        else:
            # Copies of a data folder ("1", "2", …) stand for one platform's lives.
            home = path.parent.parent if path.parent.name.isdigit() else path.parent
            name = "path_" + hashlib.sha256(f"{home}".encode()).hexdigest()[:16]
        state = self.open(path, self.server.make(name, _TEMPLATE))
        self.touched.listen(state.engine)
        self.engines.add(state.engine)
        with state.engine.begin() as db:
            # What the driver of a real process does: this one leads from here on.
            state.term = db.exec_driver_sql("UPDATE leadership SET term = term + 1 RETURNING term").scalar_one()
        return state

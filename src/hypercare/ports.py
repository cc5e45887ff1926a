"""The outside world as the house sees it. ``adapters/`` has the real ones, ``sim/`` the virtual ones.

Every slow port takes a request and a ``reply`` function and returns at once. A reply is called exactly once, from any
thread; what it does is post an event to the kernel's inbox (``Kernel.post`` is thread-safe). Domain code never waits.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from hypercare.model.time import Ms


T = TypeVar("T")
R = TypeVar("R")


class Clock(Protocol):
    """Tells the time; read by the kernel alone."""

    def now(self) -> Ms:
        """The current instant."""
        ...


class Workers(Protocol):
    """Threads that share the work of one query."""

    def map(self, do: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """``do`` of each item, in the order of the items; raises what ``do`` raises."""
        ...


class Ids(Protocol):
    """Makes identifiers and chance."""

    def new(self) -> str:
        """A new identifier: 32 hex digits (UUID form where a format asks for one)."""
        ...

    def uniform(self) -> float:
        """A random number in [0, 1), for jitter."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class BasicAuth:
    """HTTP basic authentication."""

    username: str
    password: str = dataclasses.field(repr=False, default="")


@dataclasses.dataclass(frozen=True, slots=True)
class Tls:
    """Client TLS settings: contents of PEM texts, or none."""

    ca_pem: str = ""
    cert_pem: str = ""
    key_pem: str = dataclasses.field(repr=False, default="")
    server_name: str = ""
    insecure_skip_verify: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class OAuth2:
    """Client credentials, for which a server gives access tokens.

    Attributes:
        parameters: more fields of the token request.

    """

    token_url: str
    client_id: str
    client_secret: str = dataclasses.field(repr=False, default="")
    scopes: tuple[str, ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()
    tls: Tls | None = None
    proxy_url: str = ""
    no_proxy: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class HttpRequest:
    """One HTTP exchange to make.

    Attributes:
        timeout: for the whole exchange, ms.
        max_bytes: limit of the response body after decompression; 0: none. Beyond it the answer is an error.
        oauth2: fetch an access token first, unless there is one, and log in with it.
        proxy_url: an HTTP proxy, or empty.
        no_proxy: hosts that are asked without the proxy, separated by commas, as Go reads ``NO_PROXY``.
        trace: measure the phases and look at the peer's certificate; costs a connection of its own.
        public_only: connect to public addresses only, or to those of ``allowed`` (networks such as ``10.1.0.0/16``);
            anything else is an error of the kind "forbidden".
        socket: path of the Unix socket to connect to, whatever host the URL names; empty: none.

    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    timeout: Ms = 10_000
    max_bytes: int = 0
    follow_redirects: bool = True
    basic_auth: BasicAuth | None = None
    oauth2: OAuth2 | None = None
    tls: Tls | None = None
    proxy_url: str = ""
    no_proxy: str = ""
    trace: bool = False
    public_only: bool = False
    allowed: tuple[str, ...] = ()
    socket: str = ""


class HttpResponse(NamedTuple):  # made at every scrape: a tuple is the cheapest record
    """What came back.

    Attributes:
        headers: names in lower case.
        body: decompressed.
        duration: from the start of the request to the last byte, seconds.
        phases: seconds of resolve, connect, tls, processing, transfer, as far as known.
        tls_not_after: expiry of the peer's certificates, unix seconds: earliest of the chain, and the leaf's.
        redirects: how many were followed.
        peer: address of the server, where the request asked for a trace.

    """

    status: int
    headers: dict[str, str]
    body: bytes
    duration: float
    started_at: Ms
    phases: tuple[tuple[str, float], ...] = ()
    tls_not_after: tuple[float, ...] = ()
    tls_version: str = ""
    http_version: str = "1.1"
    redirects: int = 0
    final_url: str = ""
    peer: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class PortError:
    """A request that got no answer.

    Attributes:
        kind: timeout, refused, dns, tls, too_large, protocol, forbidden, other.

    """

    kind: str
    message: str
    duration: float = 0.0
    started_at: Ms = 0


HttpReply: TypeAlias = "Callable[[HttpResponse | PortError], None]"


class Http(Protocol):
    """Sends HTTP requests."""

    def submit(self, request: HttpRequest, reply: HttpReply) -> None:
        """Start an exchange; ``reply`` is called once."""
        ...


class Streams(Protocol):
    """Reads answers that do not end: one line after the other, as they come."""

    def open(self, request: HttpRequest, line: Callable[[bytes], None], reply: HttpReply) -> Callable[[], None]:
        """Start an exchange whose body is lines.

        Args:
            request: its ``timeout`` is the longest silence, ms; ``max_bytes`` limits one line, and the body of an
                answer with another status than 200.
            line: called with an empty line when a 200 begins, then with each line that is not empty, without its end;
                from any thread but one at a time; a ValueError that it raises ends the exchange.
            reply: called once at the end: the answer with no body (200), the answer with its body (another status),
                or what went wrong.

        Returns:
            a function that ends the exchange early, from any thread; the reply comes all the same.

        """
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class Mail:
    """One e-mail and the server to give it to."""

    host: str
    port: int
    sender: str
    recipients: tuple[str, ...]
    message: bytes
    username: str = ""
    password: str = dataclasses.field(repr=False, default="")
    require_tls: bool = True
    implicit_tls: bool = False
    hello: str = "localhost"
    tls: Tls | None = None
    timeout: Ms = 30_000


@dataclasses.dataclass(frozen=True, slots=True)
class MailResult:
    """What the SMTP server said; ``code`` 0 where there was no conversation."""

    ok: bool
    code: int
    message: str


class Mailer(Protocol):
    """Sends e-mail."""

    def submit(self, mail: Mail, reply: Callable[[MailResult], None]) -> None:
        """Start a delivery; ``reply`` is called once."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class Apprised:
    """A message for one of the services that the Apprise library reaches.

    Attributes:
        url: of the service, as Apprise writes it; a secret.
        kind: info, success, warning or failure.

    """

    url: str = dataclasses.field(repr=False)
    title: str
    body: str
    kind: str = "info"


@dataclasses.dataclass(frozen=True, slots=True)
class AppriseResult:
    """What came of it; ``permanent``: trying again is of no use."""

    ok: bool
    message: str
    permanent: bool = False


class Apprise(Protocol):
    """Sends through Apprise."""

    def submit(self, message: Apprised, reply: Callable[[AppriseResult], None]) -> None:
        """Start a delivery; ``reply`` is called once."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class DnsQuery:
    """A question to DNS.

    Attributes:
        record_type: A, AAAA, SRV, MX, NS, TXT, …
        server: host:port, or empty for the system's resolver.

    """

    name: str
    record_type: str = "A"
    server: str = ""
    timeout: Ms = 5_000
    transport: str = "udp"


@dataclasses.dataclass(frozen=True, slots=True)
class DnsAnswer:
    """Answer records as (name, type, text, port); port is 0 but for SRV."""

    rcode: str
    answers: tuple[tuple[str, str, str, int], ...]
    authorities: int = 0
    additionals: int = 0
    duration: float = 0.0


@dataclasses.dataclass(frozen=True, slots=True)
class TcpProbe:
    """Open a TCP connection (with TLS where asked) and close it."""

    host: str
    port: int
    tls: Tls | None = None
    timeout: Ms = 5_000


@dataclasses.dataclass(frozen=True, slots=True)
class TcpResult:
    """What the connection showed."""

    ok: bool
    duration: float
    address: str = ""
    error: str = ""
    tls_not_after: tuple[float, ...] = ()
    tls_version: str = ""


class Network(Protocol):
    """DNS and bare connections."""

    def resolve(self, query: DnsQuery, reply: Callable[[DnsAnswer | PortError], None]) -> None:
        """Ask DNS."""
        ...

    def connect(self, probe: TcpProbe, reply: Callable[[TcpResult], None]) -> None:
        """Try a connection."""
        ...


class Reading(NamedTuple):
    """One metric family read from the machine: samples as (label pairs, value)."""

    name: str
    type: str
    help: str
    samples: tuple[tuple[tuple[tuple[str, str], ...], float], ...]


class Host(Protocol):
    """Reads the machine we run on."""

    def submit(self, reply: Callable[[tuple[Reading, ...]], None]) -> None:
        """Read CPU, memory, disks, file systems, network, load, processes, under node_exporter's names."""
        ...


class OwnProcess(Protocol):
    """Reads the process that we are."""

    def readings(self) -> tuple[Reading, ...]:
        """Processor time, memory, file descriptors, start, under the names of Prometheus' client libraries."""
        ...


class Files(Protocol):
    """Reads files that the configuration names (targets, secrets, certificates, templates)."""

    def read(self, path: Path) -> bytes:
        """The content.

        Raises:
            OSError: as the system says.
        """
        ...

    def glob(self, pattern: str) -> list[Path]:
        """Paths that fit a shell pattern, sorted."""
        ...

    def stamp(self, path: Path) -> tuple[int, int]:
        """(mtime in ns, size), to notice a change; (0, 0) where there is no such file."""
        ...


class Console(Protocol):
    """The terminal or log that people watch."""

    def write(self, line: str) -> None:
        """Show one line (or several joined by newlines)."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class ProcessRequest:
    """A program to run, in a process group of its own.

    Attributes:
        name: what it is run for; the simulator answers by it.
        argv: program and arguments; no shell looks at them.
        env: its environment beside the few variables that every program gets (PATH, HOME, locale, time zone).
        pass_env: names of variables of our own environment that it gets, too.
        cwd: where it runs; empty: where we do.
        stdin: what it can read.
        timeout: ms; then the whole group gets SIGTERM.
        kill_after: ms after that the whole group gets SIGKILL.
        max_output: bytes of its output that are kept: a quarter of them from its beginning, the rest from its end.

    """

    name: str
    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...] = dataclasses.field(repr=False, default=())
    pass_env: tuple[str, ...] = ()
    cwd: str = ""
    stdin: bytes = dataclasses.field(repr=False, default=b"")
    timeout: Ms = 300_000
    kill_after: Ms = 5_000
    max_output: int = 64 * 1024


@dataclasses.dataclass(frozen=True, slots=True)
class ProcessResult:
    """How a program ended.

    Attributes:
        exit_code: none where it did not start, or was ended by a signal.
        signal: that ended it; 0: none did.
        timed_out: we ended it, because its time was over.
        head: the beginning of what it wrote (both streams, as they came), or all of it.
        tail: the end of what it wrote, where that was more than is kept.
        omitted: bytes between the two that are not kept.
        duration: ms.
        error: why it did not start, or why nobody knows how it ended; empty: it ran.

    """

    exit_code: int | None = None
    signal: int = 0
    timed_out: bool = False
    head: bytes = b""
    tail: bytes = b""
    omitted: int = 0
    duration: Ms = 0
    error: str = ""


ProcessReply: TypeAlias = "Callable[[ProcessResult], None]"


class Processes(Protocol):
    """Runs programs."""

    def submit(self, request: ProcessRequest, reply: ProcessReply) -> None:
        """Start a program; ``reply`` is called once, when it has ended."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class Ports:
    """Everything outside, in one place; the simulator gives others."""

    clock: Clock
    ids: Ids
    http: Http
    mailer: Mailer
    network: Network
    host: Host
    files: Files
    console: Console
    processes: Processes
    workers: Workers | None = None
    apprise: Apprise | None = None
    streams: Streams | None = None
    process: OwnProcess | None = None

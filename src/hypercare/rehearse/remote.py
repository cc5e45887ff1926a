"""History of a server with Prometheus' HTTP API: raw samples by range selectors, in portions it can bear.

The API leaves staleness markers out. Where a series has a gap, the server is asked whether it counted as ended there,
and a marker is put back.
"""

from __future__ import annotations

import dataclasses
import json
import re
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import unquote, urlencode, urlsplit, urlunsplit

import numpy as np

from hypercare.model.labels import Labels
from hypercare.model.samples import STALE, SampleMatrix
from hypercare.model.time import DAY, HOUR, MINUTE, SECOND
from hypercare.ports import BasicAuth, HttpRequest, HttpResponse, PortError
from hypercare.promql.limits import Limits
from hypercare.rehearse.history import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hypercare.model.histograms import HistogramSeries
    from hypercare.model.samples import Floats, Ints
    from hypercare.model.time import Ms
    from hypercare.rehearse.needs import Need

_PORTION: Final = 1_500_000
"""Samples to ask for at once: some 40 MB of JSON."""
_LEAST, _FIRST, _MOST = 5 * MINUTE, 2 * HOUR, 2 * DAY
_VALUES: Final = re.compile(rb'"values"\s*:\s*\[\s*\[')
_LOOKBACK: Final = Limits().lookback
_MAX_POINTS: Final = 10_000
_TOO_MUCH: Final = frozenset((413, 422, 503))


Send: TypeAlias = "Callable[[HttpRequest], HttpResponse | PortError]"
"""Makes one exchange and waits for it."""


def logged_in(url: str, send: Send) -> tuple[str, Send]:
    """An address without the user and password in it, and a ``send`` that logs in with them where there are some."""
    parts = urlsplit(url)
    bare = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.removesuffix("/"), "", ""))
    if not parts.username:
        return bare, send
    auth = BasicAuth(unquote(parts.username), unquote(parts.password or ""))
    return bare, lambda request: send(dataclasses.replace(request, basic_auth=auth))


class RemoteHistory:
    """A server's history.

    Args:
        url: of the server, without ``/api/v1/…``.
        send: makes one exchange and waits for it.
        headers: to send with each request.
        step: at which instants the end of series matters, ms.

    """

    def __init__(
        self,
        url: str,
        send: Send,
        headers: tuple[tuple[str, str], ...] = (),
        step: Ms = 15 * SECOND,
    ) -> None:
        self._url = url.rstrip("/")
        self._send = send
        self._headers = (("Content-Type", "application/x-www-form-urlencoded"), *headers)
        self._step = step

    def fetch(self, need: Need, start: Ms, end: Ms) -> tuple[Sequence[SampleMatrix], Sequence[HistogramSeries]]:
        """See ``history.History``."""
        series: dict[Labels, list[tuple[Ints, Floats]]] = {}
        at, span = start, min(_FIRST, end - start)
        while at < end:
            until = min(at + span, end)
            got = self._portion(need, at, until)
            if got is None:
                if span <= _LEAST:
                    msg = f"{self._url} refuses even {span // MINUTE} minutes of {need.text}"
                    raise SourceError(msg)
                span = max(_LEAST, span // 4)
                continue
            count = sum(len(times) for _, times, _ in got)
            for labels, times, values in got:
                series.setdefault(labels, []).append((times, values))
            at = until
            span = int(min(_MOST, max(_LEAST, span * min(4.0, _PORTION / max(count, 1)))))
        whole = {
            labels: (np.concatenate([t for t, _ in parts]), np.concatenate([v for _, v in parts]))
            for labels, parts in series.items()
        }
        if need.current:
            self._mark_ends(need, whole, start, end)
        return [SampleMatrix((n,), t, v.reshape(-1, 1), dense=False) for n, (t, v) in whole.items() if len(t)], ()

    def steps(self, need: Need, first: Ms, last: Ms, step: Ms) -> list[SampleMatrix]:
        """What the series yield at the whole multiples of a step from ``first`` to ``last``, both included.

        Raises:
            SourceError: the server is away or refuses.
        """
        low = -(-first // step) * step
        if low > last:
            return []
        return [
            SampleMatrix((labels,), times, values.reshape(-1, 1), dense=False)
            for labels, times, values in self._at_steps(need, low, last, step)
        ]

    def alive(self, start: Ms, end: Ms) -> tuple[Ms, Ms] | None:
        """See ``history.History``."""
        step = max(MINUTE, (end - start) // 1000)
        fields = {
            "query": "count(up)",
            "start": f"{start / 1000:.3f}",
            "end": f"{end / 1000:.3f}",
            "step": f"{step / 1000:.3f}",
        }
        body = self._ask("/api/v1/query_range", fields)
        times = [t for _, each, _ in read_matrix(body) for t in (int(each[0]), int(each[-1]))] if body else []
        return (min(times), max(times)) if times else None

    def _portion(self, need: Need, start: Ms, end: Ms) -> list[tuple[Labels, Ints, Floats]] | None:
        """Samples with ``start < t <= end``; none where that is more than the server gives at once."""
        # Milliseconds are the finest that every server knows; Prometheus 2 includes the left edge, which is cut here.
        fields = {"query": f"{need.text}[{end - start}ms]", "time": f"{end / 1000:.3f}"}
        body = self._ask("/api/v1/query", fields)
        if body is None:
            return None
        found: list[tuple[Labels, Ints, Floats]] = []
        for labels, times, values in read_matrix(body):
            first, behind = np.searchsorted(times, (start, end), side="right").tolist()
            if first < behind:
                found.append((labels, times[first:behind], values[first:behind]))
        return found

    def _mark_ends(self, need: Need, series: dict[Labels, tuple[Ints, Floats]], start: Ms, end: Ms) -> None:
        gaps = {labels: found for labels, (times, _) in series.items() if (found := _gaps(times, end))}
        if not gaps:
            return
        windows = _merged(
            sorted((low, min(high, low + _LOOKBACK, end)) for found in gaps.values() for low, high, _ in found)
        )
        present: dict[Labels, Ints] = {}
        for low, high in windows:
            if high <= start:
                continue
            for labels, times in self._presence(need, low, high).items():
                present[labels] = np.concatenate([present.get(labels, np.empty(0, dtype=np.int64)), times])
        for labels, found in gaps.items():
            times, values = series[labels]
            marks = [
                mark
                for low, high, usual in found
                if (mark := _end_of(present.get(labels), low, min(high, low + _LOOKBACK, end), usual, self._step))
            ]
            if marks:
                places = np.searchsorted(times, marks)
                series[labels] = np.insert(times, places, marks), np.insert(values, places, STALE)

    def _presence(self, need: Need, low: Ms, high: Ms) -> dict[Labels, Ints]:
        """At which steps of a window the selector yields each series."""
        first = -(-low // self._step) * self._step
        found: dict[Labels, Ints] = {}
        for labels, times, _ in self._at_steps(need, first, high, self._step) if first <= high else ():
            found[labels] = np.concatenate([found.get(labels, np.empty(0, dtype=np.int64)), times])
        return found

    def _at_steps(self, need: Need, first: Ms, high: Ms, step: Ms) -> list[tuple[Labels, Ints, Floats]]:
        """What a selector yields at ``first`` and each step behind it, in as many requests as servers want."""
        found: list[tuple[Labels, Ints, Floats]] = []
        while first <= high:
            last = min(high, first + step * _MAX_POINTS)
            fields = {
                "query": need.text,
                "start": f"{first / 1000:.3f}",
                "end": f"{last / 1000:.3f}",
                "step": f"{step / 1000:.3f}",
            }
            body = self._ask("/api/v1/query_range", fields)
            if body is None:
                msg = f"{self._url} refuses to say when {need.text} was there"
                raise SourceError(msg)
            found += read_matrix(body)
            first = last // step * step + step
        return found

    def _ask(self, path: str, fields: dict[str, str]) -> bytes | None:
        """The body of an answer; none where the server finds it too much.

        Raises:
            SourceError: no answer, or another refusal.
        """
        whole = {**fields, "nocache": "1", "partial_response": "false"}
        request = HttpRequest(
            "POST",
            self._url + path,
            self._headers,
            urlencode(whole).encode(),
            timeout=120 * SECOND,
            follow_redirects=False,
        )
        got = self._send(request)
        if isinstance(got, PortError):
            if got.kind == "timeout":
                return None
            msg = f"no history from {self._url}: {got.message}"
            raise SourceError(msg)
        if got.status == 200:
            return got.body
        told = _words(got)
        if got.status in _TOO_MUCH and not re.search("parse|unknown", told):
            return None
        if got.status in {401, 403}:
            told += "; a token goes into HYPERCARE_TOKEN, a password into the address: http://user:password@host"
        msg = f"no history from {self._url}: HTTP {got.status}: {told}"
        raise SourceError(msg)


def _words(got: HttpResponse) -> str:
    try:
        said = json.loads(got.body)
        return str(said.get("error") or said.get("message") or said)[:300]
    except (ValueError, AttributeError):
        return " ".join(got.body[:200].decode(errors="replace").split()) or "no text"


def read_matrix(body: bytes) -> list[tuple[Labels, Ints, Floats]]:
    """The series of a matrix in Prometheus' JSON.

    The bulk of it, pairs of numbers, is read by numpy; everything else by the JSON parser.

    Raises:
        SourceError: it is no such answer.
    """
    hollow = bytearray()
    texts: list[bytes] = []
    at = 0
    for match in _VALUES.finditer(body):
        close = body.find(b"]]", match.end())
        if match.start() < at or close < 0:
            continue
        hollow += body[at : match.start()] + b'"values":%d' % len(texts)
        texts.append(body[match.end() : close])
        at = close + 2
    hollow += body[at:]
    try:
        data = json.loads(bytes(hollow))["data"]
        if data["resultType"] != "matrix":
            raise SourceError(f"the source answered with a {data['resultType']}, not with samples")
        return [(Labels.of(each["metric"]), *_numbers(texts[each["values"]])) for each in _floats(data["result"])]
    except (KeyError, TypeError, ValueError, IndexError) as error:
        msg = f"the source's answer is not one of Prometheus' query API: {error!r}"
        raise SourceError(msg) from error


def _floats(result: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each for each in result if "values" in each]


def _numbers(text: bytes) -> tuple[Ints, Floats]:
    bare = text.translate(None, b'[]" \t\r\n')
    flat = np.fromstring(bare.decode("ascii"), sep=",")
    if len(flat) != bare.count(b",") + 1 or len(flat) % 2:
        raise ValueError("pairs of time and value are not numbers")
    return np.rint(flat[0::2] * 1000).astype(np.int64), np.ascontiguousarray(flat[1::2])


def _gaps(times: Ints, end: Ms) -> list[tuple[Ms, Ms, Ms]]:
    """Where a series pauses for clearly longer than it usually does: from, to, and the usual pause."""
    if len(times) < 2:
        return [(int(times[0]), end, MINUTE)] if len(times) else []
    pauses = np.diff(times)
    usual = int(np.median(pauses))
    found = [(int(times[i]), int(times[i + 1]), usual) for i in np.flatnonzero(pauses > 1.5 * usual).tolist()]
    if end - int(times[-1]) > 1.5 * usual:
        found.append((int(times[-1]), end, usual))
    return found


def _merged(windows: Sequence[tuple[Ms, Ms]]) -> list[tuple[Ms, Ms]]:
    found: list[tuple[Ms, Ms]] = []
    for low, high in windows:
        if found and low <= found[-1][1] + HOUR:
            found[-1] = (found[-1][0], max(found[-1][1], high))
        else:
            found.append((low, high))
    return found


def _end_of(present: Ints | None, low: Ms, high: Ms, usual: Ms, step: Ms) -> Ms | None:
    """When a series that paused after ``low`` counted as ended, if before its last sample was too old anyway."""
    grid = np.arange(-(-(low + 1) // step) * step, high, step)
    if not len(grid):
        return None
    there = np.zeros(len(grid), dtype=np.bool_) if present is None else np.isin(grid, present)
    if there.all():
        return None
    gone = int(np.argmin(there))
    before = int(grid[gone - 1]) if gone else low
    # The next scrape that should have been is when the server noticed.
    return min(max(low + usual, before + 1), int(grid[gone]))

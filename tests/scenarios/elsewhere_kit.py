"""Another server with Prometheus' API in the virtual world."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl

from hypercare.model.labels import Labels
from hypercare.ports import HttpResponse
from hypercare.promql import Engine
from hypercare.promql.testing import SeriesSource


class Elsewhere:
    """A Prometheus that answers from what it is told."""

    def __init__(self, stage):
        self.source, self.engine, self.clock = SeriesSource(), Engine(), stage.clock
        self.delay, self.answer, self.asked, self.written = 50, None, [], []
        # In place of what ranges are answered with.
        self.ranges = None
        stage.world.host("tsdb.test:9090", self._take)

    def tell(self, value, name="latency_seconds", **labels):
        now = self.clock.now()
        self.source.put(Labels.of(__name__=name, **labels), [(now, value)])

    def _take(self, request, now):
        if request.url.endswith("/api/v1/write"):
            self.written.append((now, request.headers))
            return self.answer or HttpResponse(204, {}, b"", 0.01, now), self.delay
        fields = dict(parse_qsl(request.body.decode()))
        at = fields["time"] if "time" in fields else fields["end"]
        self.asked.append((request.url, fields["query"], float(at), request.basic_auth.password))
        answer = self.ranges if "step" in fields else self.answer
        if answer is not None:
            return answer, self.delay
        body = {"status": "success", "data": self._range(fields) if "step" in fields else self._instant(fields)}
        return HttpResponse(200, {}, json.dumps(body).encode(), 0.05, now), self.delay

    def _range(self, fields):
        start, end, step = (round(float(fields[name]) * 1000) for name in ("start", "end", "step"))
        result = self.engine.range(self.source, fields["query"], start, end, step)
        times = [at / 1000 for at in range(start, end + 1, step)]
        found = [
            {
                "metric": dict(labels),
                "values": [[at, repr(v)] for at, v, there in zip(times, values, present, strict=True) if there],
            }
            for labels, values, present in zip(
                result.labels, result.values.tolist(), result.present.tolist(), strict=True
            )
        ]
        return {"resultType": "matrix", "result": found}

    def _instant(self, fields):
        result = self.engine.instant(self.source, fields["query"], round(float(fields["time"]) * 1000))
        elements = [
            {"metric": dict(labels), "value": [result.at / 1000, repr(value)]}
            for labels, value in zip(result.labels, result.values.tolist(), strict=True)
        ]
        return {"resultType": "vector", "result": elements}

"""From metrics of OTLP to series."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, Final, TypeAlias

from hypercare.ingest.native import BadHistogramError, Timed
from hypercare.ingest.otlp.attributes import ResourceLabels, labels_of, scope_labels, value_text
from hypercare.ingest.otlp.histograms import check_classic, custom, exponential
from hypercare.ingest.otlp.names import Kind, Naming, metric_name
from hypercare.model.ingest import MetricMetadata
from hypercare.model.labels import METRIC_NAME, Labels
from hypercare.model.samples import STALE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.proto.metrics.v1.metrics_pb2 import (
        AggregationTemporality,
        ExponentialHistogramDataPoint,
        HistogramDataPoint,
        Metric,
        NumberDataPoint,
        ResourceMetrics,
        SummaryDataPoint,
    )

    from hypercare.config.remote import Otlp
    from hypercare.ingest.assembly import Assembly
    from hypercare.ingest.decoded import Problems
    from hypercare.model.histograms import Histogram
    from hypercare.model.time import Ms

    Texts: TypeAlias = tuple[tuple[str, str], ...]
    Point: TypeAlias = NumberDataPoint | HistogramDataPoint | ExponentialHistogramDataPoint | SummaryDataPoint

# DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK and AGGREGATION_TEMPORALITY_CUMULATIVE of opentelemetry/proto/metrics/v1:
# the messages themselves are loaded at the first request.
_NO_VALUE: Final = 1
_CUMULATIVE: Final = 2
_NS_PER_MS: Final = 1_000_000
_REMEMBERED: Final = 50_000
_TARGET_INFO: Final = MetricMetadata("target_info", "gauge", "Target metadata")
_DELTA: Final = (
    "{kind} {name!r} counts anew in each interval (delta); send running totals: "
    "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=cumulative, or a cumulative processor in the collector"
)


class Translator:
    """Translates the metrics of one request."""

    def __init__(self, config: Otlp, assembly: Assembly, problems: Problems, series: SeriesCache) -> None:
        self._config = config
        self._series = series
        self._naming = Naming.of(config)
        self._assembly = assembly
        self._problems = problems
        self._common: dict[str, str] = {}
        self._shared: object = ()
        self._latest: Ms = 0
        self._told: dict[MetricMetadata, None] = {}

    def add(self, metrics: ResourceMetrics) -> None:
        """Take in what one resource sends."""
        resource = ResourceLabels(metrics.resource.attributes, self._config, self._naming)
        self._latest = 0
        for part in metrics.scope_metrics:
            scope = {}
            if self._config.promote_scope_metadata:
                scope = scope_labels(part.scope, part.schema_url, self._naming)
            self._common = {**scope, **resource.common}
            self._shared = (self._naming, *self._common.items())
            for metric in part.metrics:
                self._metric(metric)
        if resource.info and self._latest:
            self._told[_TARGET_INFO] = None
            labels = Labels({**resource.info, METRIC_NAME: "target_info"}.items())
            self._assembly.add(labels, [(self._latest, 1.0, 0)])

    def finish(self) -> None:
        """Hand on what was told of the metrics."""
        self._assembly.metadata.extend(self._told)

    def _metric(self, metric: Metric) -> None:
        match metric.WhichOneof("data"):
            case "gauge":
                self._numbers(metric, metric.gauge.data_points, Kind.GAUGE)
            case "sum":
                kind = Kind.COUNTER if metric.sum.is_monotonic else Kind.OTHER
                if self._is_cumulative(metric, metric.sum.aggregation_temporality, len(metric.sum.data_points)):
                    self._numbers(metric, metric.sum.data_points, kind)
            case "histogram":
                points = metric.histogram.data_points
                if self._is_cumulative(metric, metric.histogram.aggregation_temporality, len(points)):
                    self._histograms(metric, points)
            case "exponential_histogram":
                found = metric.exponential_histogram
                if self._is_cumulative(metric, found.aggregation_temporality, len(found.data_points)):
                    self._exponentials(metric, found.data_points)
            case "summary":
                self._summaries(metric, metric.summary.data_points)
            case _:
                self._problems.add(f"the metric {metric.name!r} has no data of a known kind", 0)

    def _is_cumulative(self, metric: Metric, temporality: AggregationTemporality.ValueType, points: int) -> bool:
        if temporality == _CUMULATIVE or not points:
            return True
        kind = str(metric.WhichOneof("data")).replace("_", " ")
        self._problems.add(_DELTA.format(kind=kind, name=metric.name), points)
        return False

    def _name(self, metric: Metric, kind: Kind, shown: str) -> str:
        name = metric_name(metric.name, metric.unit, kind, self._naming)
        if name:
            self._told[MetricMetadata(name, shown, metric.description, metric.unit)] = None
        else:
            self._problems.add("a metric without a name")
        return name

    def _labels(self, own: Texts, name: str, label: str = "", value: str = "") -> Labels:
        """The label set of a series; the same object in every request.

        Args:
            own: attributes of the point.
            name: of the series.
            label: one more label, or none.
            value: of that label.

        """
        key = (self._shared, own, name, label, value)
        found = self._series.get(key)
        if found is None:
            more = {label: value} if label else {}
            mine = labels_of(dict(own), self._naming)
            found = Labels({**mine, **self._common, **more, METRIC_NAME: name}.items())
            self._series.learn(key, found)
        return found

    def _time(self, point: Point) -> tuple[Ms, Ms]:
        """Time and start of a point, ms."""
        at = point.time_unix_nano // _NS_PER_MS
        self._latest = max(self._latest, at)
        return at, point.start_time_unix_nano // _NS_PER_MS

    def _numbers(self, metric: Metric, points: Sequence[NumberDataPoint], kind: Kind) -> None:
        counts = kind is Kind.COUNTER
        name = self._name(metric, kind, "counter" if counts else "gauge")
        if not name:
            return
        for point in points:
            at, start = self._time(point)
            self._assembly.exemplars += len(point.exemplars)
            value = STALE if point.flags & _NO_VALUE else point.as_double
            if value is not STALE and point.WhichOneof("value") == "as_int":
                value = float(point.as_int)
            self._assembly.add(self._labels(attributes_of(point), name), [(at, value, start if counts else 0)])

    def _histograms(self, metric: Metric, points: Sequence[HistogramDataPoint]) -> None:
        name = self._name(metric, Kind.OTHER, "histogram")
        if not name:
            return
        for point in points:
            self._assembly.exemplars += len(point.exemplars)
            try:
                if self._config.convert_histograms_to_nhcb:
                    gone = bool(point.flags & _NO_VALUE)
                    self._native(point, name, None if gone else custom(point))
                else:
                    check_classic(point)
                    self._classic(point, name)
            except BadHistogramError as error:
                self._problems.add(f"{error}, in {name}")

    def _classic(self, point: HistogramDataPoint, name: str) -> None:
        at, start = self._time(point)
        gone = bool(point.flags & _NO_VALUE)
        own = attributes_of(point)

        def add(suffix: str, value: float, bound: str = "") -> None:
            labels = self._labels(own, name + suffix, "le" if bound else "", bound)
            self._assembly.add(labels, [(at, STALE if gone else value, start)])

        if point.HasField("sum"):
            add("_sum", point.sum)
        add("_count", float(point.count))
        for bound, count in zip(point.explicit_bounds, accumulate(point.bucket_counts), strict=False):
            add("_bucket", float(count), bound_text(bound))
        if not (point.explicit_bounds and point.explicit_bounds[-1] == float("inf")):
            add("_bucket", float(point.count), "+Inf")

    def _exponentials(self, metric: Metric, points: Sequence[ExponentialHistogramDataPoint]) -> None:
        name = self._name(metric, Kind.OTHER, "histogram")
        if not name:
            return
        for point in points:
            self._assembly.exemplars += len(point.exemplars)
            try:
                self._native(point, name, None if point.flags & _NO_VALUE else exponential(point))
            except BadHistogramError as error:
                self._problems.add(f"{error}, in {name}")

    def _native(
        self, point: HistogramDataPoint | ExponentialHistogramDataPoint, name: str, found: Histogram | None
    ) -> None:
        at, start = self._time(point)
        self._assembly.add_histogram(self._labels(attributes_of(point), name), Timed(at, start, found))

    def _summaries(self, metric: Metric, points: Sequence[SummaryDataPoint]) -> None:
        name = self._name(metric, Kind.OTHER, "summary")
        if not name:
            return
        for point in points:
            at, start = self._time(point)
            gone = bool(point.flags & _NO_VALUE)
            own = attributes_of(point)
            rows = [(f"{name}_sum", point.sum, ""), (f"{name}_count", float(point.count), "")]
            rows += [(name, item.value, bound_text(item.quantile)) for item in point.quantile_values]
            for series, value, quantile in rows:
                labels = self._labels(own, series, "quantile" if quantile else "", quantile)
                self._assembly.add(labels, [(at, STALE if gone else value, start)])


def attributes_of(point: Point) -> Texts:
    """The attributes of a point as texts, as they come."""
    return tuple([(item.key, value_text(item.value)) for item in point.attributes])


class SeriesCache:
    """Label sets by what they are made of; bounded; any thread may use it."""

    def __init__(self, limit: int = _REMEMBERED) -> None:
        self._limit = limit
        self._known: dict[object, Labels] = {}
        self.get = self._known.get

    def learn(self, key: object, labels: Labels) -> None:
        """Remember a label set."""
        if len(self._known) >= self._limit:
            self._known = {}
            self.get = self._known.get
        self._known[key] = labels


@lru_cache(maxsize=16_384)
def bound_text(bound: float) -> str:
    """A bound as Prometheus writes it in labels of such series: all digits, never an exponent."""
    if bound in {float("inf"), float("-inf")}:
        return "+Inf" if bound > 0 else "-Inf"
    return f"{Decimal(repr(bound)):f}".removesuffix(".0")

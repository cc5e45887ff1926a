"""Where metrics are kept and asked: ``metrics`` of hypercare.yml."""

import difflib
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from hypercare.config.base import Duration, Size, StrictModel, Url, refuse
from hypercare.config.http_client import HttpClientConfig
from hypercare.model.time import MINUTE, SECOND
from hypercare.promql import Features


class BackendConfig(HttpClientConfig):
    """A server with Prometheus' HTTP API that answers all queries in place of the embedded store.

    Attributes:
        url: up to what stands before ``/api/v1``.
        timeout: of one query of a rule; a rule without an answer keeps its alerts as they are.
        write: whether recordings, ``ALERTS`` and what is collected here go to it by remote write.
        write_url: where to, if that is not ``/api/v1/write`` below ``url``.

    """

    url: Url
    timeout: Annotated[Duration, Field(gt=0)] = 10 * SECOND
    write: bool = True
    write_url: Url | None = None

    @model_validator(mode="after")
    def _writes(self) -> Self:
        if self.write_url and not self.write:
            raise refuse("nothing is written with write: false", "write_url")
        return self


def _url_alone(value: Any) -> Any:
    """``backend: http://…`` for ``backend: {url: http://…}``."""
    return {"url": value} if isinstance(value, str) else value


def _or_a_url(schema: dict[str, Any]) -> None:
    schema["properties"]["backend"]["anyOf"].append({"type": "string", "format": "uri"})


class QueryConfig(StrictModel):
    """What one query may use.

    Attributes:
        enable_features: experimental parts of PromQL, under Prometheus' names.
        lookback_delta: how old a sample may be to count as current.
        max_samples: samples that one query may load or hold.
        max_series: series that one selector may find.
        max_memory: an estimate from the samples and results held.

    """

    enable_features: tuple[str, ...] = ()
    lookback_delta: Annotated[Duration, Field(gt=0)] = 5 * MINUTE
    max_samples: Annotated[int, Field(gt=0)] = 50_000_000
    max_series: Annotated[int, Field(gt=0)] = 1_000_000
    max_memory: Annotated[Size, Field(gt=0)] = 2 << 30

    @model_validator(mode="after")
    def _known(self) -> Self:
        for index, name in enumerate(self.enable_features):
            if name not in Features.names():
                near = difflib.get_close_matches(name, Features.names(), 1)
                hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(Features.names())}"
                raise refuse(f"unknown feature {name!r}", "enable_features", index, hint=hint)
        return self


class MetricsConfig(StrictModel):
    """The metrics engine.

    Attributes:
        query_timeout: how long a query over HTTP may take; a shorter one may be asked for with it.
        query_concurrency: queries over HTTP evaluated at once; others wait.
        out_of_order_time_window: how much older than the newest sample one may be that is older than the newest of
            its own series; without it ``storage.tsdb.out_of_order_time_window`` of prometheus.yml holds.

    """

    model_config = ConfigDict(json_schema_extra=_or_a_url)

    query_timeout: Annotated[Duration, Field(gt=0)] = 2 * MINUTE
    query_concurrency: int = Field(default=4, ge=1, le=64)
    out_of_order_time_window: Annotated[Duration, Field(ge=0)] | None = None
    backend: Annotated[BackendConfig | None, BeforeValidator(_url_alone)] = None
    query: QueryConfig = QueryConfig()

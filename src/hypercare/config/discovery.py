"""Service discovery that hypercare does itself: static, file, http, dns."""

import posixpath
import re
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from hypercare.config.base import Duration, LabelMap, PathText, StrictModel, Url, refuse
from hypercare.config.http_client import HttpClientConfig
from hypercare.model.time import MINUTE, SECOND

_FILE_PATTERN: Final = re.compile(r"[^*]*(\*[^/]*)?\.(json|yml|yaml|JSON|YML|YAML)")


def check_address(value: str) -> str:
    """A target's ``host:port``.

    Raises:
        PydanticCustomError: empty, or a URL.
    """
    if not value:
        raise refuse("a target must not be empty; expected host:port")
    if "/" in value:
        hint = "scheme and metrics_path are keys of the scrape config"
        msg = f"{value!r} is not a host name or host:port"
        raise refuse(msg, hint=hint)
    return value


class StaticConfig(StrictModel):
    """Targets written down, with labels for all of them."""

    # "/" in a target is refused by the scrape config only where no relabelling could mend it, as Prometheus does.
    targets: tuple[str, ...] = ()
    labels: LabelMap = Field(default_factory=dict)


def _check_pattern(value: str) -> str:
    if not _FILE_PATTERN.fullmatch(value):
        msg = f"{value!r} is not a valid file pattern: it must end in .json, .yml or .yaml"
        raise refuse(
            msg,
            hint="a * may stand in the last part of the path only",
        )
    return value


class FileSdConfig(StrictModel):
    """Targets read from JSON or YAML files, again when these change."""

    files: Annotated[tuple[Annotated[PathText, AfterValidator(_check_pattern)], ...], Field(min_length=1)]
    refresh_interval: Duration = 5 * MINUTE


class HttpSdConfig(HttpClientConfig):
    """Targets asked from an HTTP endpoint."""

    url: Url
    refresh_interval: Duration = 1 * MINUTE


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


class DnsSdConfig(StrictModel):
    """Targets from DNS records; A, AAAA, MX and NS need a port."""

    names: Annotated[tuple[str, ...], Field(min_length=1)]
    type: Annotated[Literal["SRV", "A", "AAAA", "MX", "NS"], BeforeValidator(_upper)] = "SRV"
    port: int = Field(default=0, ge=0, le=65535)
    refresh_interval: Duration = 30 * SECOND

    @model_validator(mode="after")
    def _port(self) -> Self:
        if self.type != "SRV" and not self.port:
            msg = f"a port is required for DNS records of type {self.type}"
            raise refuse(msg, "port")
        return self


def has_glob(path: str) -> bool:
    """Whether a path is a shell pattern."""
    return any(char in path for char in "*?[")


def check_glob_in_name(path: str) -> str:
    """A pattern may have ``*`` in its last part only.

    Raises:
        PydanticCustomError: a pattern elsewhere.
    """
    if has_glob(posixpath.dirname(path)):
        msg = f"{path!r}: a * may stand in the last part of the path only"
        raise refuse(msg)
    return path

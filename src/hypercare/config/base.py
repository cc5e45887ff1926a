"""What all configuration models are made of: a strict base class and the types of values.

Models see scalars as texts (``source.Plain`` where unquoted), so that a key decides what ``1``, ``yes`` or ``5m`` mean.
"""

import dataclasses
import posixpath
import re
import types
import typing
import urllib.parse
import zoneinfo
from typing import Annotated, Any, ClassVar, Final, Self, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainSerializer,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
    WrapValidator,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from hypercare.config.source import Plain, settle
from hypercare.model.matchers import compile_anchored
from hypercare.model.time import format_duration, parse_duration

HIDDEN: Final = "<secret>"


def refuse(message: str, *at: str | int, hint: str = "") -> PydanticCustomError:
    """An error to raise in a validator.

    Args:
        message: what is wrong and what was expected.
        at: path below the model to the key that is to blame.
        hint: what to do about it.
    """
    # Braces in the message would be taken for placeholders.
    return PydanticCustomError("refused", "{text}", {"text": message, "at": list(at), "hint": hint})


@dataclasses.dataclass(frozen=True, slots=True)
class Announced:
    """Marks a field (in ``Annotated``) that is understood but not acted on yet; ``text`` says so to the user."""

    text: str = "understood, but not acted on yet"


@dataclasses.dataclass(frozen=True, slots=True)
class FileRef:
    """Marks a field that names a file which has to exist when the configuration is checked."""


@dataclasses.dataclass(frozen=True, slots=True)
class Misfit:
    """Stands for a text where a number or a truth value is wanted; pydantic would convert ``"1"``, Prometheus not."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclasses.dataclass(frozen=True, slots=True)
class UnknownKey:
    """Stands for the value of a key that a model does not know, so that the error can name those it knows."""

    known: tuple[str, ...]
    hints: dict[str, str]


class StrictModel(BaseModel):
    """Base of all configuration models: frozen, unknown keys are errors, null means not set.

    Class variables to set in subclasses:
        exclusive: groups of keys of which at most one may be set.
        required_one: groups of keys of which at least one must be set.
        announced: text for models that are understood but not acted on at all.
        key_hints: hints for keys that do not exist (old names, common mistakes).
        keep_null: keys that make a difference between null and absent.
    """

    # Built when first used: most kinds of receivers and discoveries never are, and cost 16 MB together.
    model_config = ConfigDict(
        extra="forbid", frozen=True, populate_by_name=True, arbitrary_types_allowed=True, defer_build=True
    )

    exclusive: ClassVar[tuple[tuple[str, ...], ...]] = ()
    required_one: ClassVar[tuple[tuple[str, ...], ...]] = ()
    announced: ClassVar[str] = ""
    key_hints: ClassVar[dict[str, str]] = {}
    keep_null: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _prepare(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        kinds = _kinds(cls)
        found: dict[str, Any] = {}
        for key, value in data.items():
            if key not in kinds:
                found[key] = UnknownKey(tuple(sorted(cls.yaml_keys())), cls.key_hints)
            elif value is not None or key in cls.keep_null:
                found[key] = _by_kind(kinds[key], value)
        return found

    @model_validator(mode="after")
    def _check_groups(self) -> Self:
        for group in self.exclusive:
            present = [name for name in group if getattr(self, name)]
            if len(present) > 1:
                message = f"at most one of {', '.join(group)} may be set"
                raise refuse(message, present[-1], hint=f"both {' and '.join(present)} are set; remove one")
        for group in self.required_one:
            if not any(getattr(self, name) for name in group):
                what = f"{group[0]} is required" if len(group) == 1 else f"one of {', '.join(group)} is required"
                at = (group[0],) if group[0] in self.model_fields_set else ()
                raise refuse(what, *at)
        return self

    @classmethod
    def yaml_keys(cls) -> tuple[str, ...]:
        """The names of the keys as a user writes them."""
        return tuple(field.alias or name for name, field in cls.model_fields.items())


_KIND_CACHE: dict[type[StrictModel], dict[str, str]] = {}
_CUSTOM = (BeforeValidator, PlainValidator, WrapValidator)


def _kinds(cls: type[StrictModel]) -> dict[str, str]:
    """For each key: ``number``, ``bool``, ``any`` or nothing in particular."""
    if cls not in _KIND_CACHE:
        kinds: dict[str, str] = {}
        for name, field in cls.model_fields.items():
            custom = any(isinstance(m, _CUSTOM) for m in field.metadata)
            kinds[name] = kinds[field.alias or name] = "" if custom else _kind(field.annotation)
        _KIND_CACHE[cls] = kinds
    return _KIND_CACHE[cls]


def _kind(annotation: Any) -> str:
    if annotation in {int, float}:
        return "number"
    if annotation is bool:
        return "bool"
    if annotation is Any:
        return "any"
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in {typing.Union, types.UnionType}:
        inner = {_kind(a) for a in args if a is not type(None)}
        return inner.pop() if len(inner) == 1 else ""
    return "any" if args and args[-1] is Any else ""


_TRUTH: Final = {
    **dict.fromkeys(("true", "yes", "on", "y"), True),
    **dict.fromkeys(("false", "no", "off", "n"), False),
}


def _by_kind(kind: str, value: Any) -> Any:
    if kind == "any":
        return settle(value)
    if kind == "number":
        if isinstance(value, Plain):
            return value.resolved
        return Misfit(value) if isinstance(value, str) else value
    if kind == "bool" and isinstance(value, str):
        plain = value.lower() if isinstance(value, Plain) else ""
        return _TRUTH[plain] if plain in _TRUTH else Misfit(str(value))
    return value


class Secret:
    """A text that shows itself only when asked: ``str()``, ``repr()`` and dumps give ``<secret>``."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Secret()" if not self._text else f"Secret({HIDDEN})"

    def __str__(self) -> str:
        return HIDDEN if self._text else ""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Taken from a text or another secret; dumped hidden."""

        def make(value: Any) -> Secret:
            if isinstance(value, Secret):
                return value
            if not isinstance(value, str):
                raise refuse("expected a text")
            return cls(str(value))

        return core_schema.no_info_plain_validator_function(
            make,
            serialization=core_schema.plain_serializer_function_ser_schema(str, when_used="always"),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """A text."""
        return {"type": "string", "writeOnly": True}


def _duration(value: Any) -> int:
    if isinstance(value, bool):
        raise refuse("expected a duration such as 30s, 5m or 1h30m, found a truth value")
    if isinstance(value, int):
        return value
    if not isinstance(value, str):
        raise refuse("expected a duration such as 30s, 5m or 1h30m")
    try:
        return parse_duration(str(value))
    except ValueError as err:
        hint = f"write {value}s for seconds" if value.isdecimal() else ""
        raise refuse(str(err), hint=hint) from None


Duration: TypeAlias = Annotated[
    int,
    BeforeValidator(_duration),
    PlainSerializer(format_duration, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "duration", "examples": ["30s", "5m", "1h30m", "7d"]}),
]
"""A length of time in ms, written as ``1h30m``."""

_SIZE = re.compile(r"([-+]?[0-9]+(?:\.[0-9]*)?|[-+]?\.[0-9]+)([KMGTPE]i?B|B)", re.ASCII)
_SIZE_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40, "P": 1 << 50, "E": 1 << 60}


def _size(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str):
        if value == "0":
            return 0
        match = _SIZE.fullmatch(value)
        if match:
            size = int(float(match[1]) * _SIZE_UNITS[match[2].rstrip("B").rstrip("i")])
            if size >= 0:
                return size
            msg = f"a size must not be negative: {value}"
            raise refuse(msg)
    hint = f"write {value}B for bytes" if isinstance(value, str) and value.isdecimal() else ""
    msg = f"expected a size such as 512KB, 10MB or 1GB, found {value!r}"
    raise refuse(msg, hint=hint)


def _format_size(size: int) -> str:
    for unit in ("E", "P", "T", "G", "M", "K"):
        if size and size % _SIZE_UNITS[unit] == 0:
            return f"{size // _SIZE_UNITS[unit]}{unit}B"
    return f"{size}B" if size else "0"


Size: TypeAlias = Annotated[
    int,
    BeforeValidator(_size),
    PlainSerializer(_format_size, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "examples": ["10MB", "1GB"]}),
]
"""A number of bytes, written as ``10MB``; K, M, … are powers of 1024, as in Prometheus."""


def split_url(value: str) -> urllib.parse.SplitResult:
    """The parts of a URL.

    Raises:
        PydanticCustomError: no URL.
    """
    try:
        parts = urllib.parse.urlsplit(value)
        _ = parts.port
    except ValueError as err:
        msg = f"not a valid URL: {value!r}: {err}"
        raise refuse(msg) from None
    if value.startswith("://") or re.search(r"[\x00-\x20\x7f]", value):
        msg = f"not a valid URL: {value!r}"
        raise refuse(msg)
    return parts


def check_http_url(value: str) -> str:
    """The text, if it is an http or https URL.

    Raises:
        PydanticCustomError: not such a URL.
    """
    parts = split_url(value)
    if parts.scheme not in {"http", "https"}:
        hint = f"did you mean http://{value}?" if "://" not in value and value else ""
        msg = f"expected an http:// or https:// URL, found {value!r}"
        raise refuse(msg, hint=hint)
    if not parts.hostname:
        msg = f"the URL {value!r} has no host"
        raise refuse(msg)
    return value


def hide_password(url: str) -> str:
    """The URL with a password in it as ``<secret>``."""
    return re.sub(r"(?<=://)([^/@:]*):[^/@]*@", rf"\1:{HIDDEN}@", url)


_HIDE_PASSWORD = PlainSerializer(hide_password, return_type=str, when_used="json")

Url: TypeAlias = Annotated[
    str, AfterValidator(check_http_url), _HIDE_PASSWORD, WithJsonSchema({"type": "string", "format": "uri"})
]
"""An http or https URL."""


def _any_url(value: str) -> str:
    split_url(value)
    return value


AnyUrl: TypeAlias = Annotated[str, AfterValidator(_any_url), _HIDE_PASSWORD, WithJsonSchema({"type": "string"})]
"""A URL of any scheme; Prometheus takes ``localhost:9090`` for one, too."""


def _secret_url(value: Secret) -> Secret:
    text = value.reveal()
    if text and text != HIDDEN and "{{" not in text:
        try:
            check_http_url(text)
        except PydanticCustomError as err:
            why = "has no host" if "no host" in str(err) else "must begin with http:// or https://"
            msg = f"not a valid URL (not shown, as it may hold a secret): it {why}"
            raise refuse(msg) from None
    return value


SecretUrl: TypeAlias = Annotated[Secret, AfterValidator(_secret_url)]
"""A URL that is itself a secret (webhooks with a token in the path); may hold a template."""


def _regex(value: str) -> str:
    try:
        compile_anchored(value)
    except ValueError as err:
        raise refuse(str(err), hint="the syntax is RE2's: no look-around, no back-references") from None
    return value


Regex: TypeAlias = Annotated[str, AfterValidator(_regex), WithJsonSchema({"type": "string", "format": "regex"})]
"""An RE2 expression, matched against the whole text; ``model.matchers.compile_anchored`` compiles it."""


def join_base(path: str, info: ValidationInfo) -> str:
    """A path relative to the file that names it, made relative to where we run."""
    base = (info.context or {}).get("base", "") if isinstance(info.context, dict) else ""
    return posixpath.join(base, path) if path and base else path


FilePath: TypeAlias = Annotated[str, AfterValidator(join_base), FileRef()]
"""The path of a file that must exist; relative to the file that names it."""
PathText: TypeAlias = Annotated[str, AfterValidator(join_base)]
"""A path or pattern that need not exist; relative to the file that names it."""


def _timezone(value: str) -> str:
    try:
        zoneinfo.ZoneInfo(value)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        import difflib  # noqa: PLC0415  (only on errors)

        near = difflib.get_close_matches(value, sorted(zoneinfo.available_timezones()), 1, 0.6)
        hint = f"did you mean {near[0]}?" if near else "write an IANA name such as Europe/Berlin, or UTC"
        msg = f"unknown time zone {value!r}"
        raise refuse(msg, hint=hint) from None
    return value


Timezone: TypeAlias = Annotated[str, AfterValidator(_timezone)]
"""The IANA name of a time zone."""

_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)


def is_legacy_label_name(name: str) -> bool:
    """Whether the name fits Prometheus' classic rule for label names."""
    return _LABEL_NAME.fullmatch(name) is not None


def _label_name(value: str, info: ValidationInfo) -> str:
    # UTF-8 names are allowed everywhere since Prometheus 3 and Alertmanager 0.27, unless legacy is asked for.
    if value in {"", "\0"}:
        raise refuse("a label name must not be empty, nor a null byte alone")
    scheme = info.context.get("name_scheme", "") if isinstance(info.context, dict) else ""
    if scheme == "legacy" and not is_legacy_label_name(value):
        msg = f"{value!r} is not a valid label name"
        raise refuse(msg, hint="letters, digits and _ only, or use the utf8 scheme")
    return value


LabelName: TypeAlias = Annotated[str, AfterValidator(_label_name)]
"""Any text but the empty one; classic names only where the validation context asks for them."""


def _null_values(value: Any) -> Any:
    return {k: "" if v is None else v for k, v in value.items()} if isinstance(value, dict) else value


LabelMap: TypeAlias = Annotated[dict[LabelName, str], BeforeValidator(_null_values)]
"""Label names and values; null is the empty value."""
TextMap: TypeAlias = Annotated[dict[str, str], BeforeValidator(_null_values)]
"""Names and texts."""


def _one_or_many(value: Any) -> Any:
    return value if isinstance(value, (list, tuple)) else [value]


OneOrMany = BeforeValidator(_one_or_many)
"""Lets a user write one element without the list."""


def _host_port(value: str) -> str:
    if value:
        host, colon, port = value.rpartition(":")
        if not colon or not port or ("[" in host) != ("]" in host) or (host.count(":") and "[" not in host):
            msg = f"expected host:port, found {value!r}"
            raise refuse(msg)
        if port.isdecimal() and int(port) > 65535:
            msg = f"the port in {value!r} is beyond 65535"
            raise refuse(msg)
    return value


HostPort: TypeAlias = Annotated[str, AfterValidator(_host_port)]
"""``host:port``; the host may be empty or a bracketed IPv6 address."""

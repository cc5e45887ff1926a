"""Values as templates see them: Go's kinds over Python's objects.

``bool``, ``int``, ``float`` and ``str`` stand for Go's basic kinds, ``None`` for nil and for "no value", lists and
tuples for slices, dicts for maps. Other objects show themselves to templates through ``GoObject``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias

from hypercare.gotemplate.errors import FunctionError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hypercare.gotemplate.functions.signature import Func

Value: TypeAlias = Any
"""Anything that a template may hold."""


class GoObject:
    """What an object shows to templates.

    Attributes:
        GO_TYPE: its type's name in errors.
        GO_FIELDS: field name to attribute, in the order in which the value prints.
        GO_METHODS: method name to function; the object is its first argument.

    """

    __slots__ = ()
    GO_TYPE: ClassVar[str] = "object"
    GO_FIELDS: ClassVar[Mapping[str, str]] = {}
    GO_METHODS: ClassVar[Mapping[str, Func]] = {}


class StringMap(dict[str, str], GoObject):
    """Go's ``map[string]string``: a key that is missing reads as an empty text."""

    __slots__ = ()
    GO_TYPE = "map[string]string"


class SafeHtml(str):
    """Text that goes into HTML as it is."""

    __slots__ = ()


class SafeUrl(str):
    """An address that is not to be escaped again."""

    __slots__ = ()


RANGE_LIMIT: Final = 100_000
"""The largest number that ``range`` counts to."""


def go_type(value: Value) -> str:
    """The name of a value's type."""
    if isinstance(value, GoObject):
        return value.GO_TYPE
    if value is None:
        return "nil"
    if isinstance(value, dict):
        return "map[string]interface {}"
    if isinstance(value, list | tuple):
        kinds = {go_type(v) for v in value}
        return f"[]{kinds.pop()}" if len(kinds) == 1 else "[]interface {}"
    names = {bool: "bool", int: "int", float: "float64", str: "string", SafeHtml: "template.HTML"}
    return names.get(type(value), type(value).__name__)


def truth(value: Value) -> bool:
    """Whether a value is "not empty": zero, nil, false and empty texts, slices and maps are not."""
    if isinstance(value, bool | int | float | str | list | tuple | dict):
        return bool(value)
    return value is not None


def method_of(value: Value, name: str) -> Func | None:
    """A value's method, if it has one of this name."""
    return value.GO_METHODS.get(name) if isinstance(value, GoObject) else None


def field(value: Value, name: str, missing_key: str) -> Value:
    """``.name`` of a value, or the result of a method without arguments.

    Args:
        value: the owner.
        name: of the field, method or key.
        missing_key: what a map's missing key does: ``default``, ``zero`` or ``error``.

    Raises:
        FunctionError: there is no such field.

    """
    if isinstance(value, GoObject):
        method = value.GO_METHODS.get(name)
        if method is not None:
            return call_method(method, name, (value,))
        attribute = value.GO_FIELDS.get(name)
        if attribute is not None:
            return getattr(value, attribute)
    if isinstance(value, dict):
        if name in value:
            return value[name]
        if missing_key == "error":
            msg = f'map has no entry for key "{name}"'
            raise FunctionError(msg)
        return "" if missing_key == "zero" and isinstance(value, StringMap) else None
    if value is None:
        if missing_key == "error":
            msg = f'nil data; no entry for key "{name}"'
            raise FunctionError(msg)
        return None
    msg = f"can't evaluate field {name} in type {go_type(value)}"
    raise FunctionError(msg)


def call_method(method: Func, name: str, args: Sequence[Value]) -> Value:
    """Call a method; ``args`` begins with the object.

    Raises:
        FunctionError: the arguments do not fit, or the method failed.
    """
    try:
        return method.call(name, args)
    except FunctionError as error:
        msg = f"error calling {name}: {error}"
        raise FunctionError(msg) from error


def index(item: Value, key: Value) -> Value:
    """One step of Go's ``index``.

    Raises:
        FunctionError: out of range, or the value cannot be indexed so.
    """
    if isinstance(item, dict):
        if not isinstance(key, str):
            msg = f"value has type {go_type(key)}; should be string"
            raise FunctionError(msg)
        return item.get(key, "" if isinstance(item, StringMap) else None)
    if item is None:
        raise FunctionError("index of untyped nil")
    if not isinstance(item, list | tuple | str):
        msg = f"can't index item of type {go_type(item)}"
        raise FunctionError(msg)
    if isinstance(key, bool) or not isinstance(key, int):
        msg = f"cannot index slice/array with type {go_type(key)}"
        raise FunctionError(msg)
    sequence = item.encode() if isinstance(item, str) else item
    if not 0 <= key < len(sequence):
        msg = f"index out of range: {key}"
        raise FunctionError(msg)
    return sequence[key]


def _kind(value: Value) -> str:
    for kind, name in ((bool, "bool"), (int, "int"), (float, "float"), (str, "string")):
        if isinstance(value, kind):
            return name
    return ""


def equal(left: Value, right: Value) -> bool:
    """Go's ``eq`` of two values.

    Raises:
        FunctionError: values of different kinds, such as an integer and a float, do not compare.
    """
    if left is None or right is None:
        return left is right
    kind = _kind(left)
    if kind != _kind(right):
        raise FunctionError("incompatible types for comparison")
    if not kind and isinstance(left, list | tuple | dict):
        msg = f"non-comparable type {left}: {go_type(left)}"
        raise FunctionError(msg)
    return bool(left == right)


def less(left: Value, right: Value) -> bool:
    """Go's ``lt`` of two values.

    Raises:
        FunctionError: values of different kinds, or of a kind without an order.
    """
    kind = _kind(left)
    if not kind or kind == "bool":
        raise FunctionError("invalid type for comparison")
    if kind != _kind(right):
        raise FunctionError("incompatible types for comparison")
    return bool(left < right)


def items(value: Value) -> list[tuple[Value, Value]]:
    """What ``range`` goes through, as (index or key, element); maps in the order of their keys.

    Raises:
        FunctionError: the value cannot be gone through.
    """
    if isinstance(value, list | tuple):
        return list(enumerate(value))
    if isinstance(value, dict):
        return [(k, value[k]) for k in sorted(value)]
    if value is None:
        return []
    if isinstance(value, int) and not isinstance(value, bool):
        if value > RANGE_LIMIT:
            msg = f"range over {value} is too long"
            raise FunctionError(msg)
        return [(n, n) for n in range(value)]
    msg = f"range can't iterate over {value}"
    raise FunctionError(msg)

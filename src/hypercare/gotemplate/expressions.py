"""Compiles pipelines, commands and operands into closures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from hypercare.gotemplate.errors import FunctionError, TemplateError, place_of
from hypercare.gotemplate.nodes import (
    Chain,
    Command,
    Dot,
    Field,
    Ident,
    Literal,
    Nil,
    Node,
    Operand,
    Pipe,
    Tree,
    Variable,
)
from hypercare.gotemplate.values import SafeHtml, SafeUrl, call_method, field, method_of, truth

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.gotemplate.run import Run
    from hypercare.gotemplate.values import Value

Get: TypeAlias = "Callable[[Run, Value], Value]"
"""Evaluates with the value under the cursor."""
Stage: TypeAlias = "Callable[[Run, Value, Value], Value]"
"""Evaluates a command of a pipeline; its third argument is the value of the command before."""
_FIRST: Final = object()
"""Stands for the value before the first command."""


class Expressions:
    """The compiler of one tree's expressions."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree

    def located(self, error: FunctionError, node: Node) -> TemplateError:
        """The error with its place."""
        tree = self.tree
        snippet = tree.source[node.pos : node.end]
        return TemplateError(str(error), *place_of(tree.source, node.pos), tree.source_name, tree.name, snippet)

    def pipe(self, node: Pipe) -> Get:
        """A pipeline that also sets its variables."""
        value = self.value(node)
        if not node.slots:
            return value
        slot = node.slots[0]

        def run(state: Run, dot: Value) -> Value:
            result = value(state, dot)
            state.vars[slot] = result
            return result

        return run

    def value(self, node: Pipe) -> Get:
        """A pipeline's value alone."""
        stages = [self._command(c) for c in node.commands]
        first = stages[0]
        if len(stages) == 1:
            return lambda state, dot: first(state, dot, _FIRST)
        rest = tuple(stages[1:])

        def run(state: Run, dot: Value) -> Value:
            result = first(state, dot, _FIRST)
            for stage in rest:
                result = stage(state, dot, result)
            return result

        return run

    def _command(self, node: Command) -> Stage:
        head, args = node.args[0], [self.operand(a) for a in node.args[1:]]
        if isinstance(head, Ident):
            return self._function(head.name, args, node)
        if isinstance(head, Field | Chain) or (isinstance(head, Variable) and head.names):
            return self._method(head, args, node)
        get = self.operand(head)
        text = self.tree.source[head.pos : head.end]

        def run(state: Run, dot: Value, final: Value) -> Value:
            if args or final is not _FIRST:
                raise self.located(FunctionError(f"can't give argument to non-function {text}"), node)
            return get(state, dot)

        return run

    def _function(self, name: str, args: list[Get], node: Node) -> Stage:
        if name in {"and", "or"}:
            return self._logic(name, args, node)
        # Already escaped text must not be escaped again by the place where it stands.
        marks = {"html": SafeHtml, "urlquery": SafeUrl}.get(name)

        def run(state: Run, dot: Value, final: Value) -> Value:
            values = [get(state, dot) for get in args]
            if final is not _FIRST:
                values.append(final)
            function = state.functions.get(name)
            if function is None:
                raise self.located(FunctionError(f'"{name}" is not a defined function'), node)
            try:
                result = function.call(name, values, state)
            except FunctionError as error:
                wrapped = FunctionError(f"error calling {name}: {error}")
                raise self.located(wrapped, node) from error
            return marks(result) if marks and state.html else result

        return run

    def _logic(self, name: str, args: list[Get], node: Node) -> Stage:
        """``and`` and ``or``: the first argument that decides, or the last."""
        stop = name == "or"

        def run(state: Run, dot: Value, final: Value) -> Value:
            result: Value = _FIRST
            for get in args:
                result = get(state, dot)
                if truth(result) is stop:
                    return result
            if final is not _FIRST:
                return final
            if result is _FIRST:
                wrong = FunctionError(f"wrong number of args for {name}: want at least 1 got 0")
                raise self.located(wrong, node)
            return result

        return run

    def _method(self, head: Field | Chain | Variable, args: list[Get], node: Node) -> Stage:
        """A chain of fields whose last may be a method with arguments."""
        get = self.operand(head)
        owner = self._chain_without_last(head)
        name = head.names[-1]

        def run(state: Run, dot: Value, final: Value) -> Value:
            if not args and final is _FIRST:
                return get(state, dot)
            values = [owner(state, dot), *(a(state, dot) for a in args)]
            if final is not _FIRST:
                values.append(final)
            method = method_of(values[0], name)
            try:
                if method is None:
                    msg = f"{name} is not a method but has arguments"
                    raise FunctionError(msg)  # noqa: TRY301 - located below like the method's own errors
                return call_method(method, name, values)
            except FunctionError as error:
                raise self.located(error, node) from error

        return run

    def _chain_without_last(self, head: Field | Chain | Variable) -> Get:
        if isinstance(head, Field):
            return self._fields(_dot, head.names[:-1], head)
        if isinstance(head, Chain):
            return self._fields(self.pipe(head.inner), head.names[:-1], head)
        return self._fields(_variable(head.slot), head.names[:-1], head)

    def operand(self, node: Operand) -> Get:
        """The value of one operand."""
        match node:
            case Literal():
                constant = node.value
                return lambda _state, _dot: constant
            case Nil():
                return lambda _state, _dot: None
            case Dot():
                return _dot
            case Ident():
                call = self._function(node.name, [], node)
                return lambda state, dot: call(state, dot, _FIRST)
            case Field():
                return self._fields(_dot, node.names, node)
            case Variable():
                return self._fields(_variable(node.slot), node.names, node)
            case Chain():
                return self._fields(self.pipe(node.inner), node.names, node)
            case Pipe():
                return self.pipe(node)

    def _fields(self, base: Get, names: tuple[str, ...], node: Node) -> Get:
        if not names:
            return base

        def run(state: Run, dot: Value) -> Value:
            value = base(state, dot)
            try:
                for name in names:
                    value = field(value, name, state.missing_key)
            except FunctionError as error:
                raise self.located(error, node) from error
            return value

        return run


def _dot(_state: Run, dot: Value) -> Value:
    return dot


def _variable(slot: int) -> Get:
    return lambda state, _dot: state.vars[slot]

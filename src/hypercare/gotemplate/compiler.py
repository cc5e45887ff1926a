"""Turns trees into closures, once; rendering then only calls them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Protocol, TypeAlias

from hypercare.gotemplate.errors import FunctionError, TemplateError, place_of
from hypercare.gotemplate.expressions import Expressions
from hypercare.gotemplate.gofmt import text as plain_text
from hypercare.gotemplate.html_context import Html, State, advance
from hypercare.gotemplate.html_escape import escaper
from hypercare.gotemplate.nodes import Action, Branch, Call, Jump, Node, Statement, Text, Tree
from hypercare.gotemplate.values import items, truth

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.gotemplate.run import Run
    from hypercare.gotemplate.values import Value

BREAK, CONTINUE = "break", "continue"
Step: TypeAlias = "Callable[[Run, Value], str | None]"
"""Renders one statement; returns ``break`` or ``continue`` where the loop around it is to end or go on."""


@dataclasses.dataclass(frozen=True, slots=True)
class Program:
    """A compiled template.

    Attributes:
        slots: how many variables it needs.
        end: where in HTML its output ends; none for plain text.

    """

    run: Step
    slots: int
    end: Html | None


class Programs(Protocol):
    """Finds compiled templates by name."""

    def find(self, name: str, place: Html | None) -> Program | None:
        """The template compiled for a place in HTML (none: plain text), or none if it is not defined."""
        ...

    def start(self) -> Html | None:
        """The place at which texts begin: none for plain text."""
        ...

    def with_text(self, text: str) -> Programs:
        """The same templates with another nameless one, in plain text."""
        ...


def compile_tree(tree: Tree, place: Html | None, programs: Programs) -> Program:
    """Compile one template.

    Args:
        tree: the template.
        place: where in HTML its output begins; none for plain text.
        programs: to see where templates end that it calls.

    Raises:
        TemplateError: branches that end in different places of HTML.

    """
    compiler = _Compiler(tree, place, programs)
    run = compiler.sequence(tree.body)
    return Program(run, tree.slots, compiler.place)


class _Compiler:
    """Compiles statements in their order, keeping track of the place in HTML."""

    def __init__(self, tree: Tree, place: Html | None, programs: Programs) -> None:
        self.tree = tree
        self.place = place
        self.programs = programs
        self.expressions = Expressions(tree)

    def sequence(self, body: list[Statement]) -> Step:
        """One step for a list of statements."""
        steps = tuple(self._statement(s) for s in body)
        if len(steps) == 1:
            return steps[0]

        def run(state: Run, dot: Value) -> str | None:
            for step in steps:
                jump = step(state, dot)
                if jump is not None:
                    return jump
            return None

        return run

    def _statement(self, node: Statement) -> Step:
        match node:
            case Text():
                return self._text(node)
            case Action():
                return self._action(node)
            case Branch(keyword="range"):
                return self._range(node)
            case Branch():
                return self._if(node)
            case Call():
                return self._call(node)
            case Jump():
                return _jump(node.keyword)

    def _text(self, node: Text) -> Step:
        shown = node.text
        if self.place is not None:
            self.place, shown = advance(self.place, shown)

        def run(state: Run, _: Value) -> None:
            state.out.append(shown)

        return run

    def _action(self, node: Action) -> Step:
        pipe = self.expressions.pipe(node.pipe)
        if node.pipe.slots:

            def assign(state: Run, dot: Value) -> None:
                pipe(state, dot)

            return assign
        show: Callable[[Value], str] = plain_text
        if self.place is not None:
            show = escaper(self.place)
            self.place = self.place.after_value()
        located = self._locator(node.pipe)

        def run(state: Run, dot: Value) -> None:
            value = pipe(state, dot)
            try:
                state.write(show(value))
            except FunctionError as error:
                raise located(error) from error

        return run

    def _branches(self, node: Branch) -> tuple[Step, Step]:
        """Both branches; in HTML they must end in the same place."""
        before = self.place
        body = self.sequence(node.body)
        after, self.place = self.place, before
        otherwise = self.sequence(node.otherwise or [])
        if after != self.place:
            after = self._join(after, self.place, node)
        self.place = after
        return body, otherwise

    def _join(self, one: Html | None, other: Html | None, node: Branch) -> Html | None:
        if one is None or other is None:
            return one
        if dataclasses.replace(one, url=other.url) == other:
            # Parts of an address that differ: the stricter escaping, that of a query, is safe in both.
            return max(one, other, key=lambda p: p.url.value)
        tagged = {State.TAG, State.NAME, State.AFTER_NAME}
        if one.state in tagged and other.state in tagged:
            return Html(State.TAG, one.element)
        msg = f"{{{{{node.keyword}}}}} branches end in different contexts: {one.state.value}, {other.state.value}"
        raise TemplateError(msg, *place_of(self.tree.source, node.pos), self.tree.source_name)

    def _if(self, node: Branch) -> Step:
        pipe = self.expressions.pipe(node.pipe)
        body, otherwise = self._branches(node)
        moves = node.keyword == "with"

        def run(state: Run, dot: Value) -> str | None:
            value = pipe(state, dot)
            if truth(value):
                return body(state, value if moves else dot)
            return otherwise(state, dot)

        return run

    def _range(self, node: Branch) -> Step:
        pipe = self.expressions.value(node.pipe)
        body, otherwise = self._branches(node)
        slots = node.pipe.slots
        element = slots[-1] if slots else -1
        key = slots[0] if len(slots) == 2 else -1
        located = self._locator(node.pipe)

        def run(state: Run, dot: Value) -> str | None:
            value = pipe(state, dot)
            try:
                pairs = items(value)
            except FunctionError as error:
                raise located(error) from error
            if not pairs:
                return otherwise(state, dot)
            for position, item in pairs:
                try:
                    state.tick()
                except FunctionError as error:
                    raise located(error) from error
                if key >= 0:
                    state.vars[key] = position
                if element >= 0:
                    state.vars[element] = item
                if body(state, item) == BREAK:
                    break
            return None

        return run

    def _call(self, node: Call) -> Step:
        pipe = self.expressions.pipe(node.pipe) if node.pipe else None
        name, place = node.name, self.place
        located = self._locator(node)
        if place is not None:
            program = self.programs.find(name, place)
            if program is not None:
                self.place = program.end

        def run(state: Run, dot: Value) -> None:
            data = pipe(state, dot) if pipe else None
            try:
                state.call(name, data, place)
            except FunctionError as error:
                raise located(error) from error

        return run

    def _locator(self, node: Node) -> Callable[[FunctionError], TemplateError]:
        return lambda error: self.expressions.located(error, node)


def _jump(keyword: str) -> Step:
    signal = BREAK if keyword == "break" else CONTINUE
    return lambda _state, _dot: signal

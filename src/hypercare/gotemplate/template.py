"""Templates as others use them: parsed once, compiled at first use, rendered often."""

from __future__ import annotations

import functools
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from hypercare.gotemplate.compiler import Program, compile_tree
from hypercare.gotemplate.defaults import DEFAULT_TEMPLATES
from hypercare.gotemplate.errors import FunctionError, TemplateError
from hypercare.gotemplate.functions.alertmanager import ALERTMANAGER_NAMES
from hypercare.gotemplate.html_context import Html
from hypercare.gotemplate.parser import parse
from hypercare.gotemplate.run import Run

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from hypercare.gotemplate.functions.signature import Func
    from hypercare.gotemplate.nodes import Tree
    from hypercare.gotemplate.values import Value

TEXT: Final = "text"
HTML: Final = "html"
_CACHED_TEXTS: Final = 1024


@functools.cache
def _default_trees() -> Mapping[str, Tree]:
    """What Alertmanager's default templates define, read once: nothing changes a tree."""
    trees: dict[str, Tree] = {}
    for name, text in DEFAULT_TEMPLATES:
        _define(trees, parse(text, name, functions=ALERTMANAGER_NAMES))
    return trees


def _define(trees: dict[str, Tree], more: Mapping[str, Tree]) -> None:
    for key, tree in more.items():
        if key not in trees or not tree.is_empty():
            trees[key] = tree


class TemplateSet:
    """Named templates that may call each other; texts are rendered against them.

    Attributes:
        functions: names that may be called; none: checked only when rendering.

    """

    def __init__(self, functions: Collection[str] | None = None, missing_key: str = "zero") -> None:
        self.functions = functions
        self.missing_key = missing_key
        self._trees: dict[str, Tree] = {}
        self._scopes: OrderedDict[tuple[str, str, str, tuple[str, ...]], _Scope] = OrderedDict()
        self._shared = {mode: _Scope(self, {}, mode) for mode in (TEXT, HTML)}

    def add(self, text: str, name: str) -> None:
        """Read a file's ``define`` actions; a later definition replaces an earlier one.

        Raises:
            TemplateError: with the place.
        """
        _define(self._trees, parse(text, name, functions=self.functions))
        self._scopes.clear()
        self._shared = {mode: _Scope(self, {}, mode) for mode in (TEXT, HTML)}

    @classmethod
    def alertmanager(cls, files: Iterable[tuple[str, str]] = ()) -> TemplateSet:
        """Alertmanager's default templates, and those of the configuration's ``templates:`` files.

        Args:
            files: name and text of each; what they define replaces the defaults.

        Raises:
            TemplateError: with the place; its ``name`` is the file's.

        """
        made = cls(ALERTMANAGER_NAMES)
        made._trees.update(_default_trees())
        for name, text in files:
            made.add(text, name)
        return made

    def names(self) -> list[str]:
        """The names of all templates, sorted."""
        return sorted(self._trees)

    def scope(self, text: str, name: str = "", mode: str = TEXT, variables: Sequence[str] = ()) -> _Scope:
        """A text together with the set's templates, parsed once and kept.

        Raises:
            TemplateError: with the place.
        """
        key = (text, name, mode, tuple(variables))
        scope = self._scopes.get(key)
        if scope is None:
            trees = parse(text, name, functions=self.functions, variables=variables)
            # As with files: an empty definition replaces no other; the text itself counts in any case.
            kept = {n: t for n, t in trees.items() if n == name or n not in self._trees or not t.is_empty()}
            scope = self._scopes[key] = _Scope(self, kept, mode)
            if len(self._scopes) > _CACHED_TEXTS:
                self._scopes.popitem(last=False)
        return scope

    def render(self, text: str, data: Value, functions: Mapping[str, Func], *, name: str = "", mode: str = TEXT) -> str:
        """Render a text that may call the set's templates.

        Args:
            text: the template.
            data: the value under the cursor.
            functions: name to function.
            name: what the text is called in errors.
            mode: ``html`` escapes interpolations for the place where they stand.

        Raises:
            TemplateError: the text cannot be read or rendered.

        """
        if "{{" not in text and mode == TEXT:
            return text
        if name in self._trees:
            msg = f'the text cannot be called "{name}": the set has a template of this name'
            raise TemplateError(msg)
        return self.scope(text, name, mode).render(name, data, functions)

    def tree(self, name: str) -> Tree | None:
        """A template's tree."""
        return self._trees.get(name)

    def shared(self, mode: str) -> _Scope:
        """The set's templates without a text of their own."""
        return self._shared[mode]


class _Scope:
    """A text's templates before those of its set; keeps what is compiled."""

    def __init__(self, owner: TemplateSet, trees: dict[str, Tree], mode: str) -> None:
        self.owner = owner
        self.trees = trees
        self.mode = mode
        self._programs: dict[tuple[str, Html | None], Program | None] = {}

    def start(self) -> Html | None:
        return Html() if self.mode == HTML else None

    def with_text(self, text: str) -> _Scope:
        try:
            return self.owner.scope(text)
        except TemplateError as error:
            raise FunctionError(str(error)) from error

    def find(self, name: str, place: Html | None) -> Program | None:
        key = (name, place)
        if key in self._programs:
            return self._programs[key]
        own = self.trees.get(name)
        if own is None:
            if self.trees:
                return self.owner.shared(self.mode).find(name, place)
            own = self.owner.tree(name)
            if own is None:
                return None
        # A template that calls itself is taken to end where it begins.
        self._programs[key] = None
        try:
            program = compile_tree(own, place, self)
        except TemplateError:
            del self._programs[key]
            raise
        self._programs[key] = program
        return program

    def render(
        self, name: str, data: Value, functions: Mapping[str, Func], variables: Mapping[str, Value] | None = None
    ) -> str:
        run = Run(self, data, functions, self.owner.missing_key, html=self.mode == HTML)
        program = self.find(name, self.start())
        if program is None:
            msg = f'template "{name}" not defined'
            raise TemplateError(msg)
        run.vars = [None] * program.slots
        run.vars[0] = data
        if variables:
            # The parser gave them the slots behind $ in the order of their declaration.
            for slot, value in enumerate(variables.values(), start=1):
                run.vars[slot] = value
        program.run(run, data)
        return "".join(run.out)


class Template:
    """One text, parsed; ``parse`` makes it."""

    __slots__ = ("_plain", "_scope", "_variables", "name", "text")

    def __init__(self, text: str, name: str, scope: _Scope | None, variables: tuple[str, ...]) -> None:
        self.text = text
        self.name = name
        self._scope = scope
        self._variables = variables
        self._plain = text if scope is None else ""

    @classmethod
    def parse(
        cls,
        text: str,
        name: str = "",
        *,
        mode: str = TEXT,
        functions: Collection[str] | None = None,
        variables: Sequence[str] = (),
        missing_key: str = "zero",
    ) -> Template:
        """Read a template.

        Args:
            text: the template.
            name: for errors.
            mode: ``text`` or ``html``.
            functions: names that may be called; none: checked only when rendering.
            variables: names (without ``$``) that ``render`` will be given, in this order.
            missing_key: what a map's missing key gives: ``default``, ``zero`` or ``error``.

        Raises:
            TemplateError: with the place.

        """
        if "{{" not in text and mode == TEXT:
            return cls(text, name, None, tuple(variables))
        owner = TemplateSet(functions, missing_key)
        return cls(text, name, owner.scope(text, name, mode, variables), tuple(variables))

    @property
    def is_plain(self) -> bool:
        """Whether the text has no actions, so that it always renders as itself."""
        return self._scope is None

    def render(self, data: Value, functions: Mapping[str, Func], variables: Mapping[str, Value] | None = None) -> str:
        """Render with data.

        Args:
            data: the value under the cursor.
            functions: name to function, see ``prometheus_functions`` and ``alertmanager_functions``.
            variables: values for the names given to ``parse``.

        Raises:
            TemplateError: with the place.

        """
        if self._scope is None:
            return self._plain
        given = {n: (variables or {}).get(n) for n in self._variables}
        return self._scope.render(self.name, data, functions, given)


def check(text: str, functions: Collection[str], variables: Sequence[str] = ()) -> str | None:
    """What is wrong with a template of the configuration, or none; ``line:column: message``."""
    try:
        Template.parse(text, functions=functions, variables=variables)
    except TemplateError as error:
        return f"{error.line}:{error.column}: {error.message}" if error.line else error.message
    return None

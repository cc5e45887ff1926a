"""One rendering: its variables, its output and its limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hypercare.gotemplate.errors import FunctionError, TemplateError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypercare.gotemplate.compiler import Programs
    from hypercare.gotemplate.functions.signature import Func
    from hypercare.gotemplate.html_context import Html
    from hypercare.gotemplate.values import Value

MAX_CALLS: Final = 50
"""Levels of templates that call templates."""
MAX_STEPS: Final = 1_000_000
"""Iterations of loops and calls of templates in one rendering."""
MAX_OUTPUT: Final = 4 << 20
"""Characters that one rendering may give."""


class Run:
    """The state of one rendering; also what functions that call templates get."""

    __slots__ = (
        "data",
        "depth",
        "functions",
        "html",
        "missing_key",
        "out",
        "programs",
        "rendering",
        "size",
        "steps",
        "vars",
    )

    def __init__(
        self, programs: Programs, data: Value, functions: Mapping[str, Func], missing_key: str, *, html: bool
    ) -> None:
        self.programs = programs
        self.data = data
        self.functions = functions
        self.missing_key = missing_key
        self.html = html
        self.out: list[str] = []
        self.vars: list[Value] = []
        self.size = 0
        self.steps = 0
        self.depth = 0
        self.rendering: tuple[str, ...] = ()

    def write(self, piece: str) -> None:
        """Add to the output.

        Raises:
            FunctionError: the output has grown too long.
        """
        self.size += len(piece)
        if self.size > MAX_OUTPUT:
            raise FunctionError("the output is too long")
        self.out.append(piece)

    def tick(self) -> None:
        """Count one step.

        Raises:
            FunctionError: too many.
        """
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise FunctionError("the template takes too many steps")

    def call(self, name: str, data: Value, place: Html | None) -> None:
        """Render another template into the output.

        Raises:
            FunctionError: there is none of this name, or calls are nested too deeply.
            TemplateError: from within it.
        """
        self.tick()
        if self.depth >= MAX_CALLS:
            raise FunctionError("exceeded maximum template depth")
        program = self.programs.find(name, place)
        if program is None:
            msg = f'template "{name}" not defined'
            raise FunctionError(msg)
        outer = self.vars
        self.vars = [None] * program.slots
        self.vars[0] = data
        self.depth += 1
        try:
            program.run(self, data)
        finally:
            self.depth -= 1
            self.vars = outer

    def execute(self, name: str, data: Value) -> str:
        """Render another template to a text (for ``tmpl``).

        Raises:
            FunctionError: it cannot be rendered.
        """
        outer, self.out = self.out, []
        try:
            self.call(name, data, self.programs.start())
            return "".join(self.out)
        except TemplateError as error:
            raise FunctionError(str(error)) from error
        finally:
            self.out = outer

    def route_label(self, name: str) -> str:
        """Render one of the data's route labels, which may be a template and use others (for ``routeLabels``).

        Raises:
            FunctionError: it cannot be rendered, or uses itself.
        """
        labels: Mapping[str, str] = getattr(self.data, "route_labels", {})
        text = labels.get(name, "")
        if getattr(self.data, "route_labels_rendered", True) or "{{" not in text:
            return text
        if name in self.rendering:
            msg = f"route label {name} refers to itself: {' > '.join((*self.rendering, name))}"
            raise FunctionError(msg)
        nested = Run(self.programs.with_text(text), self.data, self.functions, self.missing_key, html=False)
        nested.steps, nested.rendering = self.steps, (*self.rendering, name)
        try:
            nested.call("", self.data, None)
        except TemplateError as error:
            raise FunctionError(str(error)) from error
        self.steps = nested.steps
        return "".join(nested.out)

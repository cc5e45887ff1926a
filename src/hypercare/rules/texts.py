"""The templates of alerting rules: labels and annotations."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, ClassVar, Final

from hypercare.gotemplate import PROMETHEUS_NAMES, StringMap, Template, TemplateError, check
from hypercare.gotemplate.values import GoObject

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hypercare.gotemplate.functions.signature import Func
    from hypercare.model.labels import Labels

_VARIABLES: Final = ("labels", "externalLabels", "externalURL", "value")
# The value, another query, the time, or all data at once (a bare dot or dollar).
_UNSTEADY = re.compile(r"alue|query|now|(?<![\w)\]\"`])\.(?![\w])|\$(?!\w)")


@dataclasses.dataclass(frozen=True, slots=True)
class AlertData(GoObject):
    """What a rule's template sees under the cursor."""

    GO_TYPE: ClassVar[str] = "template.AlertTemplateData"
    GO_FIELDS: ClassVar[Mapping[str, str]] = {
        "Labels": "labels",
        "ExternalLabels": "external_labels",
        "ExternalURL": "external_url",
        "Value": "value",
    }
    labels: StringMap
    external_labels: StringMap
    external_url: str
    value: float


def check_template(text: str) -> str | None:
    """What is wrong with a template of a rule, or none."""
    return check(text, PROMETHEUS_NAMES, _VARIABLES)


class Texts:
    """The templates of a rule's labels or annotations, parsed once.

    Attributes:
        plain: none has actions.
        steady: what they render to depends on the labels alone.
        volatile: it depends on more than labels and value: other series, the time.

    """

    __slots__ = ("_parts", "plain", "steady", "volatile")

    def __init__(self, name: str, texts: Iterable[tuple[str, str]]) -> None:
        self._parts: list[tuple[str, Template | None, str]] = []
        for label, text in texts:
            # A text that does not parse is the rule's error at each evaluation, not a reason to run no rules.
            try:
                parsed: Template | None = Template.parse(
                    text, f"__alert_{name}", functions=PROMETHEUS_NAMES, variables=_VARIABLES
                )
                error = ""
            except TemplateError as problem:
                parsed, error = None, f"error parsing template __alert_{name}: {problem}"
            self._parts.append((label, parsed, error))
        active = [t.text for _, t, _ in self._parts if t is not None and not t.is_plain]
        self.plain = not active and all(t is not None for _, t, _ in self._parts)
        self.steady = not any(_UNSTEADY.search(t) for t in active)
        self.volatile = any("query" in t or "now" in t for t in active)

    def render(self, data: AlertData, functions: Mapping[str, Func]) -> tuple[dict[str, str], str]:
        """The rendered texts, and the first error, or an empty text.

        As in Prometheus a text that fails becomes the error's own words: the alert must go out in any case.
        """
        variables = {
            "labels": data.labels,
            "externalLabels": data.external_labels,
            "externalURL": data.external_url,
            "value": data.value,
        }
        rendered: dict[str, str] = {}
        first = ""
        for label, template, problem in self._parts:
            error = problem
            if template is not None:
                try:
                    rendered[label] = template.render(data, functions, variables)
                    continue
                except TemplateError as failure:
                    error = f"error executing template {template.name}: {failure}"
            rendered[label] = f"<error expanding template: {error}>"
            first = first or error
        return rendered, first


def string_map(labels: Labels) -> StringMap:
    """Labels as templates see them."""
    return StringMap(labels.pairs)

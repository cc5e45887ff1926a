"""The built-in texts of notices and post-mortems, and rendering them or those that replace them (Jinja, sandboxed)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import SandboxedEnvironment

if TYPE_CHECKING:
    from collections.abc import Mapping

_OPENED: Final = """\
Incident #{{ number }} ({{ severity }} {{ severity_name }}): {{ title }}
Service: {{ service or platform }}
Impact: {{ impact or "not known yet" }}
Start time: {{ began }}
Status: {{ stage or ("acknowledged by " ~ acknowledged_by if acknowledged_by else "nobody has acknowledged it yet") }}
{% if commander %}
Commander: {{ commander }}
{% endif %}

Current actions:
{% for action in doing %}
- {{ action }}
{% else %}
- {{ "it is looked into" if acknowledged_by else "those on call are paged" }}
{% endfor %}

Next update: {{ next_update or "when there is news" }}
"""
_UPDATED: Final = """\
Incident #{{ number }} ({{ severity }}), update: {{ title }}
{{ text }}

Service: {{ service or platform }}
Impact: {{ impact or "not known yet" }}
Start time: {{ began }} ({{ duration }} ago)
Status: {{ stage or status }}

Current actions:
{% for action in doing %}
- {{ action }}
{% else %}
- none noted
{% endfor %}

Next update: {{ next_update or "when there is news" }}
"""
_RESOLVED: Final = """\
Resolved: incident #{{ number }} ({{ severity }}): {{ title }}
Service: {{ service or platform }}
Duration: {{ began }} to {{ resolved }} ({{ duration }})
Root cause: {{ cause or "not known yet" }}

Resolution: {{ resolution or "none noted" }}

Follow-up actions:
{% for action in actions %}
- {{ action.text }} ({{ action.owner }}, due {{ action.due }})
{% else %}
- none yet
{% endfor %}
{% if url %}

Post-mortem: {{ url }}/postmortem
{% endif %}
"""
_POSTMORTEM: Final = """\
# Post-mortem: incident #{{ number }}, {{ title }}

| | |
|---|---|
| Severity | {{ severity }} ({{ severity_name }}) |
| Service | {{ service or platform }} |
| Began | {{ began }} |
| Detected after | {{ time_to_detect }} |
| Acknowledged after | {{ (time_to_acknowledge ~ " by " ~ acknowledged_by) if time_to_acknowledge else "never" }} |
| Resolved after | {{ (time_to_resolve ~ " by " ~ resolved_by) if time_to_resolve else "not yet" }} |
| Whole duration | {{ duration }} |
{% for role in roles %}
| {{ role.role|capitalize }} | {{ role.person }} |
{% endfor %}

## Summary

{{ resolution or "What happened, in two or three sentences." }}

## Impact

{{ impact or "Who felt it, how, and for how long." }}

## Root cause

{{ cause or "What it was." }}

How it came about, and why it was not seen before:

## Timeline

{% for entry in timeline %}
- {{ entry.at }}{% if entry.by != "hypercare" %} ({{ entry.by }}){% endif %}: {{ entry.text|replace("\\n", " ") }}
{% endfor %}

## Alerts

{% for alert in alerts %}
- {{ alert.name }} {{ alert.labels }}: {{ alert.began }} to {{ alert.ended or "now" }}
{% else %}
None.
{% endfor %}

## Evidence

{% for item in evidence %}
- {{ item.title }} ({{ item.kind }}, kept {{ item.at }})
{% else %}
None was kept.
{% endfor %}

## What went well

-

## What did not

-
"""
_BUILT_IN: Final = {"opened": _OPENED, "updated": _UPDATED, "resolved": _RESOLVED, "postmortem": _POSTMORTEM}
_LONGEST: Final = 200_000


class BrokenTextError(Exception):
    """A template that cannot be rendered with what there is to say."""


def _environment() -> SandboxedEnvironment:
    return SandboxedEnvironment(
        autoescape=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def render_text(use: str, template: str, facts: Mapping[str, Any]) -> str:
    """A text.

    Args:
        use: opened, updated, resolved or postmortem.
        template: in place of the built-in one; empty: the built-in one.
        facts: see ``facts.facts_of``.

    Raises:
        BrokenTextError: the template names what there is not, or goes wrong.

    """
    try:
        found = _environment().from_string(template or _BUILT_IN[use]).render(facts)
    except (
        TemplateError,
        TypeError,
        ValueError,
        ArithmeticError,
        LookupError,
        AttributeError,
        RecursionError,
    ) as error:
        raise BrokenTextError(f"{type(error).__name__}: {error}") from error
    return found[:_LONGEST]


def render_notice(use: str, template: str, facts: Mapping[str, Any]) -> tuple[str, str]:
    """Title (the first line) and text of a notice.

    Raises:
        BrokenTextError: as ``render_text``.

    """
    first, _, rest = render_text(use, template, facts).strip().partition("\n")
    return first.strip(), rest.strip("\n")

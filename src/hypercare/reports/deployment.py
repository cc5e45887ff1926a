"""The report of a deployment's watch, and the export of its data.

``render_report(app, watch, kind)`` gives HTML (one file that needs no other), Markdown or JSON;
``render_export(app, watch, kind)`` gives CSV, OpenMetrics or Parquet. Both read rows and metrics and change nothing, so
that they may be called in any thread, for watches that run and for those that have ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hypercare.kernel import CommandError
from hypercare.reports import deployment_export as export
from hypercare.reports import deployment_text as text
from hypercare.reports.deployment_story import Stories

if TYPE_CHECKING:
    from hypercare.app import App
    from hypercare.deploys.store import Watch

REPORTS: Final = {"html": "text/html", "md": "text/markdown", "json": "application/json"}
"""Kinds of reports with their media types."""
EXPORTS: Final = {
    "csv": "text/csv",
    "om": "application/openmetrics-text; version=1.0.0; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}
"""Kinds of exports with their media types."""


def render_report(app: App, watch: Watch, kind: str, stories: Stories | None = None) -> str:
    """The report of a watch.

    Args:
        app: whose state and metrics are read.
        watch: as ``deploys.store.load_watch`` gives it.
        kind: ``html``, ``md`` or ``json``.
        stories: where curves of ended watches are kept; none: they are measured for this report.

    Raises:
        CommandError: there is no such kind.

    """
    if kind not in REPORTS:
        raise CommandError(f"unknown kind of report {kind!r}; one of {', '.join(REPORTS)}", 400)
    story = (stories or Stories(app)).of(watch)
    return {"html": text.as_html, "md": text.as_markdown, "json": text.as_json}[kind](story)


def render_export(app: App, watch: Watch, kind: str, stories: Stories | None = None) -> str | bytes:
    """All samples of a watch: since the deployment, of the baseline, of the other colour.

    Args:
        app: whose state and metrics are read.
        watch: as ``deploys.store.load_watch`` gives it.
        kind: ``csv``, ``om`` or ``parquet``.
        stories: as for ``render_report``.

    Raises:
        CommandError: there is no such kind, or what it needs is not installed (501).

    """
    if kind not in EXPORTS:
        raise CommandError(f"unknown kind of export {kind!r}; one of {', '.join(EXPORTS)}", 400)
    if kind == "parquet":
        export.need_parquet()
    story = (stories or Stories(app)).of(watch)
    if kind == "parquet":
        return export.as_parquet(story)
    return export.as_csv(story) if kind == "csv" else export.as_openmetrics(story)

"""What the rooms below publish, put together for people: the overview and the check."""

from hypercare.reports.check import CheckLine, CheckReport, check, render_text
from hypercare.reports.overview import AlertLine, Overview, ServiceStatus, TargetLine, overview

__all__ = [
    "AlertLine",
    "CheckLine",
    "CheckReport",
    "Overview",
    "ServiceStatus",
    "TargetLine",
    "check",
    "overview",
    "render_text",
]

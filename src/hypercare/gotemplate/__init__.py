"""Go's template language as Prometheus rules and Alertmanager notifications use it.

``Template`` for one text, ``TemplateSet`` for a configuration's template files; function tables from
``prometheus_functions`` and ``alertmanager_functions``. Every call takes bounded work and has no access to clock, files
or network.
"""

from hypercare.gotemplate.data import KV, Alerts, Data, build_data
from hypercare.gotemplate.deep import render_deep
from hypercare.gotemplate.errors import FunctionError, TemplateError
from hypercare.gotemplate.functions.alertmanager import ALERTMANAGER_NAMES, alertmanager_functions
from hypercare.gotemplate.functions.prometheus import (
    PROMETHEUS_NAMES,
    QueryResult,
    Sample,
    prometheus_functions,
)
from hypercare.gotemplate.template import HTML, TEXT, Template, TemplateSet, check
from hypercare.gotemplate.values import SafeHtml, SafeUrl, StringMap

__all__ = [
    "ALERTMANAGER_NAMES",
    "HTML",
    "KV",
    "PROMETHEUS_NAMES",
    "TEXT",
    "Alerts",
    "Data",
    "FunctionError",
    "QueryResult",
    "SafeHtml",
    "SafeUrl",
    "Sample",
    "StringMap",
    "Template",
    "TemplateError",
    "TemplateSet",
    "alertmanager_functions",
    "build_data",
    "check",
    "prometheus_functions",
    "render_deep",
]

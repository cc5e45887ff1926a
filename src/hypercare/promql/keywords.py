"""Reserved words and operators with their precedence."""

from __future__ import annotations

from typing import Final

AGGREGATIONS: Final[dict[str, str]] = {
    "sum": "",
    "avg": "",
    "count": "",
    "min": "",
    "max": "",
    "group": "",
    "stddev": "",
    "stdvar": "",
    "topk": "scalar",
    "bottomk": "scalar",
    "quantile": "scalar",
    "limitk": "scalar",
    "limit_ratio": "scalar",
    "count_values": "string",
}
"""Aggregation operators and the type of their parameter, empty where they have none."""

PRECEDENCE: Final[dict[str, int]] = {
    "or": 1,
    "and": 2,
    "unless": 2,
    **dict.fromkeys(("==", "!=", "<=", "<", ">=", ">"), 3),
    **dict.fromkeys(("</", ">/"), 3),
    **dict.fromkeys(("+", "-"), 4),
    **dict.fromkeys(("*", "/", "%", "atan2"), 5),
    "^": 6,
}
"""Binary operators; a higher number binds tighter. ``^`` alone associates to the right."""

COMPARISONS: Final = frozenset({"==", "!=", "<=", "<", ">=", ">"})
TRIMS: Final = frozenset({"</", ">/"})
"""Operators that cut a histogram off above or below a value."""
SET_OPERATORS: Final = frozenset({"and", "or", "unless"})
MODIFIERS: Final = frozenset(
    {
        "by",
        "without",
        "on",
        "ignoring",
        "group_left",
        "group_right",
        "bool",
        "offset",
        "fill",
        "fill_left",
        "fill_right",
    }
)
MODES: Final = frozenset({"anchored", "smoothed"})
NUMBERS: Final = frozenset({"inf", "nan"})
NEVER_METRICS: Final = frozenset({"on", "ignoring", "group_left", "group_right", "bool"})
"""Words that Prometheus does not take for a metric name even where one could stand."""

KEYWORDS: Final = (
    frozenset(AGGREGATIONS)
    | frozenset({"and", "or", "unless", "atan2"})
    | MODIFIERS
    | MODES
    | NUMBERS
    | {"start", "end"}
)
"""Words that are printed in quotes when they are metric names."""

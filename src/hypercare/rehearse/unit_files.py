"""The file format of rule unit tests, promtool's: what is written there, as a model."""

import math
from typing import Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, Field, PlainSerializer, model_validator

from hypercare.config.base import Duration, LabelMap, StrictModel, refuse
from hypercare.model.time import MINUTE, Ms, format_rfc3339, parse_rfc3339


def _instant(value: Any) -> Any:
    text = str(value)
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if math.isfinite(seconds):
        return round(seconds * 1000)
    try:
        return parse_rfc3339(text)
    except ValueError:
        hint = "write unix seconds or RFC 3339: 2026-01-05T09:00:00Z"
        msg = f"not an instant: {text!r}"
        raise refuse(msg, hint=hint) from None


Instant = Annotated[int, BeforeValidator(_instant), PlainSerializer(format_rfc3339, return_type=str)]
"""An instant in ms since the epoch, written as unix seconds or in RFC 3339."""


def _number(value: Any) -> Any:
    # A number in quotes is one too, and so are Prometheus' spellings of infinity.
    text = str(value).strip()
    special = {".nan": "nan", ".inf": "inf", "+.inf": "inf", "-.inf": "-inf"}
    try:
        return float(int(text, 16)) if text.lower().startswith("0x") else float(special.get(text.lower(), text))
    except ValueError:
        msg = f"expected a number, found {text!r}"
        raise refuse(msg) from None


def _text(value: Any) -> Any:
    return str(value) if isinstance(value, int | float | str) else value


Number = Annotated[float, BeforeValidator(_number)]
Text = Annotated[str, BeforeValidator(_text)]


class InputSeries(StrictModel):
    """One series and its samples in the series notation: ``1 2 _ 3x2 0+5x4 stale {{count:2}}``."""

    series: str = Field(min_length=1)
    values: Text = ""


class ExpectedAlert(StrictModel):
    """A firing alert; ``alertname`` needs not be named among the labels."""

    exp_labels: LabelMap = Field(default_factory=dict)
    exp_annotations: LabelMap = Field(default_factory=dict)


class AlertTest(StrictModel):
    """Exactly these alerts of a name fire at an instant (ms since the start)."""

    key_hints: ClassVar[dict[str, str]] = {"alert": "the key is called alertname"}

    eval_time: Duration = 0
    alertname: str = ""
    exp_alerts: tuple[ExpectedAlert, ...] = ()

    @model_validator(mode="after")
    def _named(self) -> Self:
        if not self.alertname:
            raise refuse("an alert_rule_test needs the alertname it is about", "alertname")
        return self


class ExpectedSample(StrictModel):
    """One element of a result: a number or a native histogram."""

    labels: str = ""
    value: Number = 0.0
    histogram: str = ""


class ExprTest(StrictModel):
    """An expression has exactly this result at an instant (ms since the start)."""

    expr: Text = ""
    eval_time: Duration = 0
    exp_samples: tuple[ExpectedSample, ...] = ()


class TestCase(StrictModel):
    """One test: series, and what rules and expressions make of them.

    Attributes:
        interval: between the samples of a series, ms; 0: the file's evaluation interval.
        start_timestamp: the instant of the first sample and evaluation.

    """

    __test__: ClassVar[bool] = False

    name: str = ""
    interval: Duration = 0
    start_timestamp: Instant = 0
    input_series: tuple[InputSeries, ...] = ()
    alert_rule_test: tuple[AlertTest, ...] = ()
    promql_expr_test: tuple[ExprTest, ...] = ()
    external_labels: LabelMap = Field(default_factory=dict)
    external_url: str = ""

    @property
    def last(self) -> Ms:
        """The last instant that anybody looks at, from the start."""
        times = [test.eval_time for test in self.alert_rule_test]
        return max([*times, *(test.eval_time for test in self.promql_expr_test)], default=0)


class UnitFile(StrictModel):
    """A unit test file.

    Attributes:
        rule_files: paths or patterns, from the folder of the test file.
        evaluation_interval: of all groups, whatever interval they name themselves; ms.
        group_eval_order: names of groups in the order of their evaluation; the others follow in reading order.
        fuzzy_compare: numbers may differ in the last bit of the mantissa.

    """

    rule_files: tuple[str, ...] = ()
    evaluation_interval: Duration = MINUTE
    group_eval_order: tuple[str, ...] = ()
    fuzzy_compare: bool = False
    tests: tuple[TestCase, ...] = ()

    @model_validator(mode="after")
    def _sound(self) -> Self:
        for index, name in enumerate(self.group_eval_order):
            if name in self.group_eval_order[:index]:
                msg = f"the group {name!r} stands twice in the order"
                raise refuse(msg, "group_eval_order", index)
        if not self.evaluation_interval:
            raise refuse("must be longer than nothing", "evaluation_interval")
        return self

"""What a measured value means: success, failure, neither, or an error."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from hypercare.judge.argo.evaluate import evaluate
from hypercare.judge.argo.model import Phase
from hypercare.judge.argo.nodes import ConditionError
from hypercare.judge.argo.values import is_nil_or_empty, type_name
from hypercare.model.time import to_datetime

if TYPE_CHECKING:
    from hypercare.judge.argo.model import Metric
    from hypercare.model.time import Ms


def evaluate_condition(value: Any, condition: str) -> bool:
    """Whether a condition over `result` holds for a value.

    Raises:
        ConditionError: it cannot be evaluated, or gives no truth value.

    """
    found = evaluate(condition, {"result": value})
    if not isinstance(found, bool):
        raise ConditionError(f"expected bool, but got {type_name(found)}")
    return found


def evaluate_result(value: Any, metric: Metric) -> tuple[Phase, str]:
    """The phase that a measured value gives, and the words for an error.

    With one condition, what does not fulfil it is the opposite. With both, failure goes first, and neither is
    inconclusive. Without any, every value is a success.
    """
    outcomes: dict[str, bool] = {}
    for kind, condition in (("success", metric.success_condition), ("failure", metric.failure_condition)):
        if not condition:
            continue
        try:
            outcomes[kind] = evaluate_condition(value, condition)
        except ConditionError as error:
            return Phase.ERROR, _words(error, kind, condition, value)
    failure = outcomes.get("failure", not outcomes.get("success", True))
    success = outcomes.get("success", not failure)
    if failure:
        return Phase.FAILED, ""
    return (Phase.SUCCESSFUL if success else Phase.INCONCLUSIVE), ""


def _words(error: ConditionError, kind: str, condition: str, value: Any) -> str:
    why = str(error)
    if is_nil_or_empty(value):
        why = "metric result is nil or empty: no data returned from the metric provider"
    return f'could not evaluate {kind}Condition "{condition}": {why}'


def evaluate_time(expression: str, now: Ms) -> dt.datetime:
    """The instant that an expression gives, such as ``now() - duration("1h")``.

    Raises:
        ConditionError: it cannot be evaluated, or gives no instant.

    """
    found = evaluate(expression, {"now": to_datetime(now)})
    if not isinstance(found, dt.datetime):
        raise ConditionError(f"expected time.Time, but got {type_name(found)}")
    return found

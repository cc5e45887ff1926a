"""Recording and alerting rules: groups that tick, states that outlive a restart, alerts told to routing.

Start at ``service.py``; what one evaluation does with an alert is ``transitions.py``.
"""

from hypercare.rules.service import RulesService
from hypercare.rules.status import AlertElement, GroupStatus, RulesSnapshot, RuleStatus
from hypercare.rules.texts import check_template

__all__ = ["AlertElement", "GroupStatus", "RuleStatus", "RulesService", "RulesSnapshot", "check_template"]

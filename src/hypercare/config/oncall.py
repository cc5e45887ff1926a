"""``oncall`` of hypercare.yml as a whole."""

from typing import Annotated, Self

from pydantic import BeforeValidator, model_validator

from hypercare.config.base import OneOrMany, StrictModel, refuse
from hypercare.config.response import AuditorConfig, Calendar, Clocks, Role, Severities
from hypercare.config.schedules import Schedule
from hypercare.config.services import switch
from hypercare.model.severity import Severity


class OncallConfig(StrictModel):
    """Schedules, and what escalations go by.

    Attributes:
        high_urgency: severities whose pages use the ways for high urgency and do not wait for quiet hours to end.
        clocks: response clocks per severity.

    """

    schedules: tuple[Schedule, ...] = ()
    calendars: tuple[Calendar, ...] = ()
    roles: tuple[Role, ...] = ()
    high_urgency: Severities = (Severity.P0, Severity.P1)
    clocks: Annotated[tuple[Clocks, ...], OneOrMany] = ()
    auditor: Annotated[AuditorConfig, BeforeValidator(switch)] = AuditorConfig()

    @model_validator(mode="after")
    def _unique(self) -> Self:
        for key in ("schedules", "calendars", "roles"):
            names = [item.name for item in getattr(self, key)]
            for index, name in enumerate(names):
                if name in names[:index]:
                    msg = f"the name {name!r} stands twice in {key}"
                    raise refuse(msg, key, index, "name")
        return self

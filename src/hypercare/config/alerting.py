"""What hypercare.yml says of alerts beside alertmanager.yml: limits of silences, flapping."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from hypercare.config.alertmanager import OneOrManyMatchers
from hypercare.config.base import Duration, StrictModel, refuse
from hypercare.model.time import HOUR, SECOND


class SilencesConfig(StrictModel):
    """Limits of silences, as Alertmanager's ``--silences.max-silences`` and ``--silences.max-per-silence-bytes``.

    Attributes:
        max_silences: kept at once, expired ones of the last five days included; 0: no limit.
        max_per_silence_bytes: of one silence with its matchers and comment; 0: no limit.

    """

    max_silences: Annotated[int, Field(ge=0)] = 0
    max_per_silence_bytes: Annotated[int, Field(ge=0)] = 0


class FlappingConfig(StrictModel):
    """When an alert flaps: it begins and ends so often that each single time is no news.

    Attributes:
        match: alerts that this is about; the first entry that fits counts.
        window: the span in which changes of state are counted, ms.
        high: so many changes start it; 0: nobody looks.
        low: so few stop it.
        damp: while it lasts, tell once that it flaps and once that it has stopped, and not what begins and ends.

    """

    match: OneOrManyMatchers = ()
    window: Annotated[Duration, Field(ge=10 * SECOND)] = HOUR
    high: Annotated[int, Field(ge=0, le=1000)] = 6
    low: Annotated[int, Field(ge=0)] = 3
    damp: bool = False

    @model_validator(mode="after")
    def _order(self) -> Self:
        if self.high and (self.high < 2 or self.low >= self.high):
            raise refuse("low must be below high, and high at least 2", "low", hint="such as high: 6, low: 3")
        return self

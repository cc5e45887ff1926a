"""What hypercare.yml says of alerts beside alertmanager.yml: limits of silences."""

from typing import Annotated

from pydantic import Field

from hypercare.config.base import StrictModel


class SilencesConfig(StrictModel):
    """Limits of silences, as Alertmanager's ``--silences.max-silences`` and ``--silences.max-per-silence-bytes``.

    Attributes:
        max_silences: kept at once, expired ones of the last five days included; 0: no limit.
        max_per_silence_bytes: of one silence with its matchers and comment; 0: no limit.

    """

    max_silences: Annotated[int, Field(ge=0)] = 0
    max_per_silence_bytes: Annotated[int, Field(ge=0)] = 0

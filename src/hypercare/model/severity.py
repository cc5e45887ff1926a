"""Incident severities."""

from __future__ import annotations

import enum


class Severity(enum.StrEnum):
    """P0 is the worst; texts order as the severities do."""

    P0 = "P0"
    P1 = "P1"
    P2 = "P2"
    P3 = "P3"

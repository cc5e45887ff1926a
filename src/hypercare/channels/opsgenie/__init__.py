"""Opsgenie: alerts by its API, version 2."""

from hypercare.channels.base import Channel
from hypercare.channels.opsgenie.config import OpsgenieConfig, contact
from hypercare.channels.opsgenie.render import page, render
from hypercare.channels.opsgenie.send import classify, request

CHANNEL = Channel("opsgenie", "opsgenie_configs", OpsgenieConfig, render, page, request, classify, contact, chains=True)

__all__ = ["CHANNEL", "OpsgenieConfig"]

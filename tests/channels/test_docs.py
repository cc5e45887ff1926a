"""docs/channels.md names every channel, key, fake, command and address; and its addresses exist."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from hypercare.channels.fakes import FAKES
from hypercare.channels.registry import CHANNELS
from hypercare.config.channels import ChannelsConfig
from hypercare.web.api.inbound import PREFIX

TEXT = (Path(__file__).parents[2] / "docs" / "channels.md").read_text()


@pytest.mark.parametrize("name", sorted(CHANNELS))
def test_every_channel_has_its_row(name):
    assert re.search(rf"^\| `{name}` \| `{CHANNELS[name].key}`", TEXT, re.MULTILINE)


def test_there_are_no_rows_of_channels_that_do_not_exist():
    assert set(re.findall(r"^\| `(\w+)` \| `\w+_configs`", TEXT, re.MULTILINE)) == set(CHANNELS)


def test_fakes_are_where_the_table_says():
    for module, name in re.findall(r"`(hypercare\.[\w.]+)\.(Fake\w+)`", TEXT):
        assert hasattr(importlib.import_module(module), name)
    for name, fake in FAKES.items():
        assert f"`{fake.__module__}.{fake.__name__}`" in TEXT, name


def keys(model):
    for name, field in model.model_fields.items():
        yield name
        for inner in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                yield from keys(inner)


@pytest.mark.parametrize("key", sorted(set(keys(ChannelsConfig)) - {"secret", "signing_secret"}))
def test_every_setting_is_explained(key):
    assert re.search(rf"\b{key}\b", TEXT)


def test_the_examples_are_valid():
    for block in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL):
        given = yaml.safe_load(block).get("channels", {})
        unknown = [key for key in given if key not in ChannelsConfig.model_fields]
        assert unknown == []


def test_the_addresses_are_the_real_ones():
    assert f"{PREFIX}/slack/actions" in TEXT
    assert f"{PREFIX}/pagerduty" in TEXT

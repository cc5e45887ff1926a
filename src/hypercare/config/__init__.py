"""Reading hypercare.yml, prometheus.yml, rule files and alertmanager.yml; every error with its place, all at once."""

from hypercare.config.alertmanager import AlertmanagerConfig, AlertmanagerGlobal, InhibitRule, Receiver, Route
from hypercare.config.base import (
    Announced,
    AnyUrl,
    Duration,
    FilePath,
    HostPort,
    LabelMap,
    Regex,
    Secret,
    SecretUrl,
    Size,
    StrictModel,
    TextMap,
    Timezone,
    Url,
    refuse,
)
from hypercare.config.http_client import HttpClientConfig, NotifierConfig, TlsConfig
from hypercare.config.hypercare_file import HypercareConfig
from hypercare.config.loader import Config, load, schema
from hypercare.config.matcher_text import format_matcher, parse_matcher, parse_matchers
from hypercare.config.prometheus import PrometheusConfig, ScrapeJob
from hypercare.config.rule_files import Rule, RuleFile, RuleGroup
from hypercare.config.scrape import ScrapeConfig
from hypercare.config.walk import Announcement, dump

__all__ = [
    "AlertmanagerConfig",
    "AlertmanagerGlobal",
    "Announced",
    "Announcement",
    "AnyUrl",
    "Config",
    "Duration",
    "FilePath",
    "HostPort",
    "HttpClientConfig",
    "HypercareConfig",
    "InhibitRule",
    "LabelMap",
    "NotifierConfig",
    "PrometheusConfig",
    "Receiver",
    "Regex",
    "Route",
    "Rule",
    "RuleFile",
    "RuleGroup",
    "ScrapeConfig",
    "ScrapeJob",
    "Secret",
    "SecretUrl",
    "Size",
    "StrictModel",
    "TextMap",
    "Timezone",
    "TlsConfig",
    "Url",
    "dump",
    "format_matcher",
    "load",
    "parse_matcher",
    "parse_matchers",
    "refuse",
    "schema",
]

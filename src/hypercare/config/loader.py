"""``load``: from the path of a hypercare.yml to a checked configuration, or to all that is wrong with it."""

from __future__ import annotations

import dataclasses
import posixpath
from typing import TYPE_CHECKING, Any

from pydantic_core import PydanticCustomError

from hypercare.config.alertmanager import AlertmanagerConfig, alertmanager_model, default_alertmanager
from hypercare.config.cross_check import check_alertmanager, check_hypercare, names
from hypercare.config.discovery import has_glob
from hypercare.config.expand import expand_go, expand_ours
from hypercare.config.http_client import NotifierConfig
from hypercare.config.hypercare_file import HypercareConfig
from hypercare.config.incident_texts import read_texts
from hypercare.config.integrations_announced import ANNOUNCED
from hypercare.config.problems import validate
from hypercare.config.prometheus import PrometheusConfig, ScrapeConfigFile, check_jobs
from hypercare.config.reading import Reading
from hypercare.config.rule_check import TemplateCheck, check_rules
from hypercare.config.rule_files import RuleFile, RuleGroups
from hypercare.config.runbooks import read_runbooks
from hypercare.config.schedule_refs import Place, schedules_named, schedules_written
from hypercare.config.source import Document, Plain
from hypercare.config.walk import Announcement, dump
from hypercare.model.errors import InputError
from hypercare.promql import Features

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hypercare.config.base import StrictModel
    from hypercare.model.runbooks import Runbook
    from hypercare.ports import Files


@dataclasses.dataclass(frozen=True, slots=True)
class Config:
    """A checked configuration.

    Attributes:
        prometheus: with the scrape configs of ``scrape_config_files`` among its own.
        announcements: what is understood but not acted on, in reading order.
        hash: equal for equal files and environment variables.
        paths: all YAML files that were read, in reading order.
        runbooks: of the folder that ``runbooks`` names.
        texts: templates of notices and post-mortems that replace the built-in ones, by use.
        schedules_written: where hypercare.yml writes schedules down.
        schedules_named: where it names one, as ``schedule:NAME``.

    """

    hypercare: HypercareConfig
    prometheus: PrometheusConfig
    rules: tuple[RuleFile, ...]
    alertmanager: AlertmanagerConfig
    announcements: tuple[Announcement, ...]
    hash: str
    paths: tuple[str, ...]
    runbooks: tuple[Runbook, ...] = ()
    texts: Mapping[str, str] = dataclasses.field(default_factory=dict)
    schedules_written: tuple[Place, ...] = ()
    schedules_named: tuple[Place, ...] = ()

    def as_yaml(self) -> str:
        """All of it as YAML text, with secrets as ``<secret>``."""
        parts = [("hypercare.yml", self.hypercare), ("prometheus.yml", self.prometheus)]
        parts += [(rules.path, rules) for rules in self.rules]
        parts += [("alertmanager.yml", self.alertmanager)]
        return "---\n".join(f"# {name}\n{dump(model)}" for name, model in parts)


def load(
    path: Path,
    files: Files,
    env: Mapping[str, str],
    integrations: Mapping[str, type[StrictModel]] | None = None,
    check_template: TemplateCheck | None = None,
    *,
    check_files: bool = True,
    open_schedules: bool = False,
) -> Config:
    """Read hypercare.yml and every file that it names.

    Args:
        path: of hypercare.yml.
        files: the port that reads them.
        env: environment variables.
        integrations: receiver keys (``slack_configs``) and their models; kinds that nobody delivers are known anyway.
        check_template: checks the templates in rules.
        check_files: whether password files, certificates and the like must exist.
        open_schedules: let schedules be named that the file does not hold; whoever knows those made while hypercare
            runs has to look for them (``schedule_refs.name_problems``).

    Raises:
        InputError: all problems of all files.
    """
    run = Reading(files, env, check_files=check_files)
    document = run.open(str(path))
    if document is None:
        raise InputError(run.sorted_problems())
    run.problems += expand_ours(document, env, frozenset({"prometheus", "alertmanager"}))
    run.mix(repr(document.root.data()))
    hypercare = validate(HypercareConfig, document, run.problems)
    features = None if hypercare is None else Features.of(hypercare.metrics.query.enable_features)
    prometheus, rules = _prometheus(run, document, check_template, features)
    alertmanager, receivers = _alertmanager(run, document, integrations or {})
    run.problems += check_hypercare(document, receivers, open_schedules=open_schedules)
    runbooks: tuple[Runbook, ...] = ()
    texts: dict[str, str] = {}
    if hypercare is not None:
        run.finish(hypercare, document)
        texts = read_texts(run, hypercare)
        if hypercare.runbooks:
            runbooks = read_runbooks(run, document, hypercare.runbooks, [s.name for s in hypercare.services])
    if run.problems or hypercare is None or prometheus is None or alertmanager is None:
        raise InputError(run.sorted_problems())
    return Config(
        hypercare=hypercare,
        prometheus=prometheus,
        rules=rules,
        alertmanager=alertmanager,
        announcements=run.sorted_announcements(),
        hash=run.digest.hexdigest(),
        paths=tuple(run.opened),
        runbooks=runbooks,
        texts=texts,
        schedules_written=schedules_written(document),
        schedules_named=schedules_named(document),
    )


def _referenced(run: Reading, document: Document, key: str) -> tuple[bool, Document | None]:
    """The document under ``prometheus:`` or ``alertmanager:``; false where the key names none."""
    node = document.root.at(key)
    if node is None or (node.scalar is None and node.items is None and node.elements is None):
        return False, None
    if node.items is not None:
        return True, dataclasses.replace(document, root=node)
    if node.scalar is None or node.scalar == "":
        return False, None
    if isinstance(node.scalar, Plain) and node.scalar.lower() in {"false", "no"}:
        return False, None
    return True, run.open(posixpath.join(document.base, node.scalar), document, node)


def _prometheus(
    run: Reading, parent: Document, check_template: TemplateCheck | None, features: Features | None
) -> tuple[PrometheusConfig | None, tuple[RuleFile, ...]]:
    present, document = _referenced(run, parent, "prometheus")
    if document is None:
        return (None if present else PrometheusConfig()), ()
    _expand_external_labels(run, document)
    config = validate(PrometheusConfig, document, run.problems)
    if config is not None:
        run.finish(config, document)
    included = [
        (inner, part)
        for node, pattern in _paths(document, "scrape_config_files")
        for inner in run.include(pattern, document, node)
        if (part := validate(ScrapeConfigFile, inner, run.problems)) is not None
    ]
    for inner, part in included:
        run.finish(part, inner)
        config = _merge(run, config, inner, part) if config is not None else None
    scheme = config.global_.metric_name_validation_scheme if config is not None else ""
    rules: list[RuleFile] = []
    for node, pattern in _paths(document, "rule_files"):
        for inner in run.include(pattern, document, node):
            groups = validate(RuleGroups, inner, run.problems, {"name_scheme": scheme})
            run.problems += check_rules(inner, check_template, features)
            if groups is not None:
                rules.append(RuleFile(path=inner.file, groups=groups.groups))
    return config, tuple(rules)


def _paths(document: Document, key: str) -> list[tuple[Any, str]]:
    return [(n, posixpath.join(document.base, n.scalar)) for n in document.root.each(key) if n.scalar]


def _merge(run: Reading, config: PrometheusConfig, inner: Document, part: ScrapeConfigFile) -> PrometheusConfig:
    """The configuration with the scrape configs of one more file; trouble between them is noted at that file."""
    own, more = config.scrape_configs, part.scrape_configs
    try:
        check_jobs((*own, *more), config.global_, "scrape_configs")
    except PydanticCustomError as err:
        context: dict[str, Any] = dict(err.context or {})
        at = list(context.get("at", ()))
        if len(at) > 1 and isinstance(at[1], int):
            at[1] -= len(own)
        line, column = inner.find(at)
        run.problems.append(dataclasses.replace(inner.problem(None, context["text"]), line=line, column=column))
        return config
    return config.model_copy(update={"scrape_configs": (*own, *more)})


def _expand_external_labels(run: Reading, document: Document) -> None:
    labels = document.root.at("global", "external_labels")
    for name, node in (labels.items or {}).items() if labels is not None else ():
        if node.scalar is None or "$" not in node.scalar:
            continue
        node.scalar, unknown = expand_go(str(node.scalar), run.env)
        run.mix(node.scalar)
        for variable in unknown:
            text = f"the environment variable {variable} is not set; it counts as empty, as in Prometheus"
            run.announcements.append(
                Announcement(document.file, node.line, node.column, f"global.external_labels.{name}", text)
            )


def _alertmanager(
    run: Reading, parent: Document, integrations: Mapping[str, type[StrictModel]]
) -> tuple[AlertmanagerConfig | None, list[str] | None]:
    """The configuration, and the names of its receivers as far as they are known, even where it is not valid."""
    present, document = _referenced(run, parent, "alertmanager")
    if document is None:
        if present:
            return None, None
        default = default_alertmanager()
        return default, [receiver.name for receiver in default.receivers]
    config = validate_alertmanager(document, integrations, run)
    return config, names(document.root, "receivers")


def validate_alertmanager(
    document: Document, integrations: Mapping[str, type[StrictModel]], run: Reading
) -> AlertmanagerConfig | None:
    """An alertmanager.yml as a model; or none, and what is wrong in ``run.problems``."""
    config = validate(alertmanager_model({**ANNOUNCED, **integrations}), document, run.problems)
    run.problems += check_alertmanager(document)
    if config is None:
        return None
    run.finish(config, document)
    for index, path in enumerate(config.templates):
        if run.check_files and not has_glob(path):
            run.require(path, document, ("templates", index))
    for index, receiver in enumerate(config.receivers):
        counts: dict[str, int] = {}
        for key, model in receiver.integrations:
            number = counts.get(key, 0)
            counts[key] = number + 1
            lack = model.missing(config.global_) if isinstance(model, NotifierConfig) else ""
            if lack:
                line, column = document.find(("receivers", index, key, number))
                run.problems.append(dataclasses.replace(document.problem(None, lack), line=line, column=column))
    return config


def schema() -> dict[str, Any]:
    """The JSON Schema of hypercare.yml."""
    found = HypercareConfig.model_json_schema(by_alias=True)
    found["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    found["title"] = "hypercare.yml"
    return found

"""hypercare.yml as a whole."""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from hypercare.config.actions import Action
from hypercare.config.alerting import FlappingConfig, SilencesConfig
from hypercare.config.base import FilePath, OneOrMany, PathText, StrictModel, hide_password, refuse
from hypercare.config.channels import ChannelsConfig
from hypercare.config.deployments import DeploymentsConfig
from hypercare.config.escalations import Escalation
from hypercare.config.incident_room import StatusPageConfig
from hypercare.config.metrics import MetricsConfig
from hypercare.config.oncall import OncallConfig
from hypercare.config.people import Person
from hypercare.config.response import Heartbeat
from hypercare.config.services import CollectConfig, IncidentsConfig, Service, StorageConfig, WebConfig
from hypercare.ports import Files

_PROMETHEUS_KEYS = ("global", "scrape_configs", "rule_files", "scrape_config_files", "remote_write", "alerting")
_ALERTMANAGER_KEYS = ("route", "receivers", "inhibit_rules", "templates", "time_intervals", "mute_time_intervals")


def _reference(value: Any) -> Any:
    # An inline mapping is loaded as a document of its own; false means none.
    if isinstance(value, dict) or str(value).lower() in {"false", "no"}:
        return ""
    return value


Reference = Annotated[
    PathText,
    BeforeValidator(_reference),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"const": False}, {"type": "object"}]}),
]
"""A path; or the file's content inline; or false."""


def _state(value: str) -> str:
    if value == "sqlite":
        return value
    if not value.startswith(("postgresql://", "postgresql+psycopg://", "postgres://")):
        hint = "sqlite, or postgresql://USER@HOST/DATABASE; ${NAME} takes a password from the environment"
        raise refuse(f"not a place for the state: {hide_password(value)!r}", hint=hint)
    try:
        url = make_url(value.replace("postgres://", "postgresql://", 1))
    except (ArgumentError, ValueError):
        raise refuse("not a URL of a database", hint="postgresql://USER:PASSWORD@HOST:PORT/DATABASE") from None
    if not url.database:
        raise refuse("the URL names no database", hint="postgresql://USER@HOST/DATABASE")
    return url.render_as_string(hide_password=False)


class HypercareConfig(StrictModel):
    """hypercare.yml; every key may be left out.

    Attributes:
        platform: its name.
        prometheus: a prometheus.yml, or its content; empty: nothing is scraped but what ``collect`` does.
        alertmanager: an alertmanager.yml, or its content; empty: alerts go to the console.
        runbooks: a folder of Markdown files.
        status_page: a page for the public; none: there is no such page.
        actions_dry_run: all actions only say what they would do.
        state: ``sqlite`` (in the data folder), or a ``postgresql://`` URL: then several replicas may share it.
        state_password_file: holds the password for that URL.

    """

    key_hints: ClassVar[dict[str, str]] = {
        **dict.fromkeys(_PROMETHEUS_KEYS, "this is a key of prometheus.yml; name that file under prometheus:"),
        **dict.fromkeys(_ALERTMANAGER_KEYS, "this is a key of alertmanager.yml; name that file under alertmanager:"),
        "groups": "this looks like a rule file; name it in prometheus.yml's rule_files",
        "schedules": "it belongs under oncall:",
    }

    platform: str = "platform"
    prometheus: Reference = ""
    alertmanager: Reference = ""
    services: tuple[Service, ...] = ()
    people: tuple[Person, ...] = ()
    # model_construct: the default is made without the model's validator, which takes a while to build.
    oncall: OncallConfig = OncallConfig.model_construct()
    escalations: tuple[Escalation, ...] = ()
    channels: ChannelsConfig = ChannelsConfig()
    heartbeat: Annotated[tuple[Heartbeat, ...], OneOrMany] = ()
    incidents: IncidentsConfig = IncidentsConfig()
    deployments: DeploymentsConfig = DeploymentsConfig.model_construct()
    actions: tuple[Action, ...] = ()
    actions_dry_run: bool = False
    collect: CollectConfig = CollectConfig()
    metrics: MetricsConfig = MetricsConfig.model_construct()
    storage: StorageConfig = StorageConfig()
    web: WebConfig = WebConfig()
    silences: SilencesConfig = SilencesConfig()
    flapping: Annotated[tuple[FlappingConfig, ...], OneOrMany] = (FlappingConfig(),)
    runbooks: PathText = ""
    status_page: StatusPageConfig | None = None
    state: Annotated[str, AfterValidator(_state), PlainSerializer(hide_password, return_type=str, when_used="json")] = (
        Field(default="sqlite", repr=False)
    )
    state_password_file: FilePath = ""

    @model_validator(mode="after")
    def _unique(self) -> Self:
        for key in ("services", "people", "escalations", "heartbeat", "actions"):
            _check_unique([item.name for item in getattr(self, key)], key)
        return self

    def state_url(self, files: Files) -> str:
        """The URL of the database with its password; empty where state is kept in the data folder.

        Raises:
            OSError: the file with the password cannot be read.
        """
        if not self.state.startswith("postgresql"):
            return ""
        if not self.state_password_file:
            return self.state
        password = files.read(Path(self.state_password_file)).decode("utf-8", "replace").strip()
        return make_url(self.state).set(password=password).render_as_string(hide_password=False)

    def service_of(self, labels: Any) -> Service | None:
        """The first service that an alert or a series with these labels belongs to."""
        return next((service for service in self.services if service.selects(labels)), None)

    def person(self, name: str) -> Person | None:
        """The person of that name."""
        return next((person for person in self.people if person.name == name), None)


def _check_unique(names: list[str], *at: str) -> None:
    for index, name in enumerate(names):
        if name in names[:index]:
            msg = f"the name {name!r} stands twice in {at[-1]}"
            raise refuse(msg, *at, index, "name")

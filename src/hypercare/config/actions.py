"""``actions`` of hypercare.yml: what may be done to the platform: roll back, restart, scale, switch a flag, retire."""

import re
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from hypercare.config.base import (
    Duration,
    FilePath,
    OneOrMany,
    PathText,
    Secret,
    SecretUrl,
    StrictModel,
    refuse,
)
from hypercare.config.http_client import HttpClientConfig
from hypercare.config.problems import did_you_mean
from hypercare.config.response import Targets
from hypercare.model.time import MINUTE, SECOND

PLACES: Final = ("service", "version", "previous", "color", "other_color", "check", "watch")
"""Names that texts of actions may use as ``$name``."""
KINDS: Final = ("command", "http", "kubectl", "docker")
_PLACE: Final = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")
_ENV_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def places_of(text: str) -> list[str]:
    """The places in a text, as written; ``$$name`` is no place, but ``$name`` as it stands."""
    return _PLACE.findall(text.replace("$$", ""))


def _with_places(text: str) -> str:
    for name in places_of(text):
        if name not in PLACES:
            known = ", ".join(f"${place}" for place in PLACES)
            hint = did_you_mean(name, PLACES)
            hint = hint if hint.startswith("did") else f"there are {known}; for a dollar sign here write $$$$"
            raise refuse(f"unknown place ${name}", hint=hint)
    return text


Text = Annotated[str, AfterValidator(_with_places)]
"""A text in which ``$service`` and the like stand for what the action is asked with."""


def _environment(value: dict[str, str]) -> dict[str, str]:
    for name in value:
        if not _ENV_NAME.fullmatch(name):
            raise refuse(f"not a name of an environment variable: {name!r}", name)
    return value


Env = Annotated[dict[str, Text], AfterValidator(_environment)]
EnvFiles = Annotated[dict[str, FilePath], AfterValidator(_environment)]


def _whole(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value or not value[0].strip():
        raise refuse("a command needs a program", hint="write it as a list: [systemctl, restart, $service]")
    if places_of(value[0]):
        raise refuse("the program itself cannot be a place", 0, hint="name it, and put the place among its arguments")
    return value


def _listed(value: Any) -> Any:
    """Refuses a text where a list is wanted, with the two ways out."""
    if isinstance(value, str):
        hint = "write it as a list, [program, argument, …]; or, for a shell, command: {shell: true, run: TEXT}"
        raise refuse("expected a list of program and arguments, found a text", hint=hint)
    return value


class Command(StrictModel):
    """A program with its arguments; without a shell unless ``shell`` says so.

    Attributes:
        run: program and arguments; with ``shell``: one text, in which HYPERCARE_SERVICE and the like are environment
            variables (nothing is put into the text itself).
        cwd: where it runs; empty: where hypercare does.
        env: more environment variables.
        env_files: the same, their values from files; they are kept out of the recorded output.
        pass_env: names of variables of hypercare's own environment that it gets, too.
        stdin: what it reads; empty: nothing.
        exit_codes: those that mean that it worked.

    """

    key_hints: ClassVar[dict[str, str]] = {
        "argv": "the key is called run",
        "args": "the key is called run",
        "env_file": "the key is called env_files: {NAME: file}",
    }

    run: tuple[str, ...] = Field(min_length=1)
    shell: bool = False
    cwd: PathText = ""
    env: Env = Field(default_factory=dict)
    env_files: EnvFiles = Field(default_factory=dict)
    pass_env: Annotated[tuple[str, ...], OneOrMany] = ()
    stdin: Text = ""
    exit_codes: Annotated[tuple[Annotated[int, Field(ge=0, le=255)], ...], OneOrMany] = (0,)

    @model_validator(mode="before")
    @classmethod
    def _shell_text(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("run"), str):
            if str(data.get("shell", "")).lower() not in {"true", "yes", "on", "y"}:
                _listed_at(data["run"], "run")
            return data | {"run": [data["run"]]}
        return data

    @model_validator(mode="after")
    def _safe(self) -> Self:
        if not self.shell:
            _at(_whole, self.run, "run")
            for index, text in enumerate(self.run):
                _at(_with_places, text, "run", index)
            return self
        if len(self.run) != 1:
            raise refuse("with a shell, the command is one text", "run")
        used = [name for name in places_of(self.run[0]) if name in PLACES]
        if used:
            hint = f'write "$HYPERCARE_{used[0].upper()}": a shell gets values as environment variables only'
            raise refuse(f"${used[0]} is not put into the text of a shell", "run", hint=hint)
        return self


def _at(check: Any, value: Any, *at: str | int) -> None:
    """Run a check; what it refuses is at a place below this model."""
    from pydantic_core import PydanticCustomError  # noqa: PLC0415 - only here

    try:
        check(value)
    except PydanticCustomError as error:
        context = error.context or {}
        raise refuse(context["text"], *at, *context["at"], hint=context["hint"]) from None


def _listed_at(value: Any, *at: str | int) -> None:
    _at(_listed, value, *at)


def _command(value: Any) -> Any:
    """``command: [a, b]`` for ``command: {run: [a, b]}``."""
    if isinstance(value, str):
        _listed(value)
    return {"run": value} if isinstance(value, (list, tuple)) else value


def _status(value: Any) -> Any:
    """``204``, ``2xx`` or a list of them, as numbers (2 stands for 2xx)."""
    found: list[int] = []
    for item in value if isinstance(value, (list, tuple)) else [value]:
        text = str(item).lower()
        match = re.fullmatch(r"([1-5])(xx|\d\d)", text)
        if match is None:
            raise refuse(f"not an HTTP status: {text!r}", hint="write 200, 2xx, or a list of them")
        found.append(int(match[1]) if match[2] == "xx" else int(text))
    return tuple(found)


class HttpCall(StrictModel):
    """An HTTP request; it has worked when the answer has one of the expected statuses.

    Attributes:
        headers: with places.
        header_files: headers whose values are in files; they are kept out of the recorded output.
        body: a text; ``json`` instead: any value, sent as JSON.
        expected_status: numbers; 2 stands for all from 200 to 299.

    """

    exclusive: ClassVar[tuple[tuple[str, ...], ...]] = (("url", "url_file"), ("body", "json_"))
    required_one: ClassVar[tuple[tuple[str, ...], ...]] = (("url", "url_file"),)
    key_hints: ClassVar[dict[str, str]] = {"expect": "the key is called expected_status"}

    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    url: SecretUrl = Secret("")
    url_file: FilePath = ""
    headers: Annotated[dict[str, Text], BeforeValidator(lambda v: v)] = Field(default_factory=dict)
    header_files: dict[str, FilePath] = Field(default_factory=dict)
    body: Text = ""
    json_: Any = Field(default=None, alias="json")
    expected_status: Annotated[tuple[int, ...], BeforeValidator(_status), WithJsonSchema({})] = (2,)
    http_config: HttpClientConfig | None = None

    @model_validator(mode="after")
    def _places(self) -> Self:
        _at(_with_places, self.url.reveal(), "url")
        for text in texts_in(self.json_):
            _at(_with_places, text, "json")
        return self


def texts_in(value: Any) -> list[str]:
    """All texts of a JSON value, keys excluded."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for inner in value.values() for text in texts_in(inner)]
    return [text for inner in value for text in texts_in(inner)] if isinstance(value, (list, tuple)) else []


class KubeScale(StrictModel):
    """``kubectl scale``."""

    resource: Text
    replicas: int = Field(ge=0, le=10_000)


class KubeImage(StrictModel):
    """``kubectl set image``."""

    resource: Text
    container: Text
    image: Text


_KUBE: Final = ("rollout_undo", "rollout_restart", "scale", "set_image", "args")


class Kubectl(StrictModel):
    """What kubectl does.

    Attributes:
        rollout_undo: a resource such as ``deployment/$service``.
        args: anything else.
        wait: after it, until the roll-out is complete, at most so long; 0: do not wait.
        to_revision: of ``rollout_undo``; 0: the one before.

    """

    exclusive: ClassVar[tuple[tuple[str, ...], ...]] = (_KUBE,)
    required_one: ClassVar[tuple[tuple[str, ...], ...]] = (_KUBE,)
    key_hints: ClassVar[dict[str, str]] = {"undo": "the key is called rollout_undo", "restart": "rollout_restart"}

    rollout_undo: Text = ""
    rollout_restart: Text = ""
    scale: KubeScale | None = None
    set_image: KubeImage | None = None
    args: Annotated[tuple[Text, ...], BeforeValidator(_listed)] = ()
    to_revision: int = Field(default=0, ge=0)
    context: Text = ""
    namespace: Text = ""
    kubeconfig: FilePath = ""
    wait: Duration = 0

    @model_validator(mode="after")
    def _waits(self) -> Self:
        if self.wait and self.args:
            raise refuse("there is no roll-out to wait for after args", "wait", hint="run kubectl rollout status")
        return self


class Compose(StrictModel):
    """``docker compose up --detach``; ``scale``: service and how many."""

    files: Annotated[tuple[PathText, ...], OneOrMany] = ()
    project: Text = ""
    services: Annotated[tuple[Text, ...], OneOrMany] = ()
    scale: dict[Text, Annotated[int, Field(ge=0, le=10_000)]] = Field(default_factory=dict)


_DOCKER: Final = ("restart", "start", "stop", "compose_up", "service_scale", "service_rollback", "args")
Names = Annotated[tuple[Text, ...], OneOrMany]


class Docker(StrictModel):
    """What docker's command line does.

    Attributes:
        restart: containers; so start and stop.
        service_scale: swarm services and how many of each; ``service_rollback``: one to roll back.
        args: anything else.
        context: of docker; empty: the current one.

    """

    exclusive: ClassVar[tuple[tuple[str, ...], ...]] = (_DOCKER,)
    required_one: ClassVar[tuple[tuple[str, ...], ...]] = (_DOCKER,)

    restart: Names = ()
    start: Names = ()
    stop: Names = ()
    compose_up: Compose | None = None
    service_scale: dict[Text, Annotated[int, Field(ge=0, le=10_000)]] = Field(default_factory=dict)
    service_rollback: Text = ""
    args: Annotated[tuple[Text, ...], BeforeValidator(_listed)] = ()
    context: Text = ""


CommandField = Annotated[Command | None, BeforeValidator(_command), WithJsonSchema({"type": ["array", "object"]})]


class ActionStep(StrictModel):
    """One step of an action.

    Attributes:
        name: for people; empty: what it does.
        timeout: ms; none: that of the action.

    """

    exclusive: ClassVar[tuple[tuple[str, ...], ...]] = (KINDS,)
    required_one: ClassVar[tuple[tuple[str, ...], ...]] = (KINDS,)

    name: str = ""
    command: CommandField = None
    http: HttpCall | None = None
    kubectl: Kubectl | None = None
    docker: Docker | None = None
    timeout: Annotated[Duration, Field(gt=0)] | None = None


def _dry(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return value
    return bool(value) if isinstance(value, bool) else _DRY.get(str(value).lower(), value)


_DRY: Final = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


class Action(StrictModel):
    """Something that may be done to the platform, by a person, a watch or an escalation.

    Attributes:
        steps: several, one after the other until one fails.
        timeout: of a step: then its whole process group is ended, after ``kill_after`` without asking.
        approval: a person has to agree before it runs; nobody within ``approve_within``: it is refused.
        tell: who is asked to approve, and told when it fails or is interrupted; none: everyone.
        dry_run: say what would be done, and do nothing; or a command that shows it.
        once_within: not for the same service again within that time, ms; 0: no such guard.
        max_per_day: in any 24 hours; 0: no limit.
        repeatable: running it twice does no harm: run it again when hypercare was stopped meanwhile.
        retries: how often a step that fails is tried again, ``retry_pause`` later.

    """

    exclusive: ClassVar[tuple[tuple[str, ...], ...]] = ((*KINDS, "steps"),)
    required_one: ClassVar[tuple[tuple[str, ...], ...]] = ((*KINDS, "steps"),)
    key_hints: ClassVar[dict[str, str]] = {
        "run": "the key is called command",
        "notify": "the key is called tell",
        "confirm": "the key is called approval",
    }

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=64)
    description: str = ""
    command: CommandField = None
    http: HttpCall | None = None
    kubectl: Kubectl | None = None
    docker: Docker | None = None
    steps: tuple[ActionStep, ...] = ()
    timeout: Annotated[Duration, Field(gt=0)] = 5 * MINUTE
    kill_after: Duration = 5 * SECOND
    approval: bool = False
    approve_within: Annotated[Duration, Field(gt=0)] = 15 * MINUTE
    tell: Targets = ()
    dry_run: Annotated[
        bool | tuple[Text, ...], BeforeValidator(_dry), WithJsonSchema({"type": ["boolean", "array"]})
    ] = False
    once_within: Duration = 0
    max_per_day: int = Field(default=0, ge=0)
    repeatable: bool = False
    retries: int = Field(default=0, ge=0, le=10)
    retry_pause: Annotated[Duration, Field(gt=0)] = 10 * SECOND

    @model_validator(mode="after")
    def _times(self) -> Self:
        if "approve_within" in self.model_fields_set and not self.approval:
            raise refuse("approve_within is for actions that need an approval", "approve_within", hint="approval: true")
        return self

    def all_steps(self) -> tuple[ActionStep, ...]:
        """What it does, as steps."""
        if self.steps:
            return self.steps
        return (ActionStep(command=self.command, http=self.http, kubectl=self.kubectl, docker=self.docker),)

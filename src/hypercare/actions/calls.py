"""What an action does, as requests to ports: made when it starts, so that values and secrets are those of now."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from hypercare.actions.filling import environment, fill, fill_json, fill_url
from hypercare.actions.masking import mask, maskable
from hypercare.channels.base import Sending
from hypercare.channels.http_client import post
from hypercare.config.http_client import HttpClientConfig
from hypercare.model.time import SECOND
from hypercare.ports import HttpRequest, ProcessRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypercare.config.actions import Action, ActionStep, Command, Docker, HttpCall, Kubectl
    from hypercare.config.alertmanager import AlertmanagerGlobal
    from hypercare.model.time import Ms
    from hypercare.ports import Files

_SECRET_NAME: Final = re.compile(r"TOKEN|PASSW|SECRET|KEY|CREDENTIAL|AUTH", re.IGNORECASE)
_KUBE_ENV: Final = ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT")
_DOCKER_ENV: Final = ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH")
_MAX_ANSWER: Final = 1024 * 1024
_SHELL: Final = "/bin/sh"


@dataclasses.dataclass(frozen=True, slots=True)
class Call:
    """One program or request of an action.

    Attributes:
        step: its number, from 0.
        what: for people; no secrets.
        accepted: exit codes, or HTTP statuses (2 stands for 2xx), that mean that it worked.
        secrets: not to be written down.

    """

    step: int
    what: str
    request: ProcessRequest | HttpRequest
    accepted: tuple[int, ...]
    secrets: tuple[str, ...] = dataclasses.field(repr=False, default=())


@dataclasses.dataclass(frozen=True, slots=True)
class Surroundings:
    """What calls are made of beside the action.

    Attributes:
        key: names the run, so that a server can recognise a request that comes twice.

    """

    files: Files
    defaults: AlertmanagerGlobal
    key: str


def calls_of(action: Action, values: Mapping[str, str], around: Surroundings) -> tuple[Call, ...]:
    """All of an action, in order.

    Raises:
        FillError: a place has no value.
        OSError: a file with a secret cannot be read.

    """
    made = _Maker(action, values, around)
    return tuple(call for number, step in enumerate(action.all_steps()) for call in made.step(number, step))


def preview(action: Action, values: Mapping[str, str], around: Surroundings) -> Call | None:
    """The command that shows what the action would do, if there is one.

    Raises:
        FillError: a place has no value.

    """
    if isinstance(action.dry_run, bool):
        return None
    argv = tuple(fill(text, values) for text in action.dry_run)
    return _Maker(action, values, around).program(0, argv, action.timeout)


class _Maker:
    def __init__(self, action: Action, values: Mapping[str, str], around: Surroundings) -> None:
        self.action = action
        self.values = values
        self.around = around

    def fill(self, text: str) -> str:
        return fill(text, self.values)

    def filled(self, texts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(self.fill(text) for text in texts)

    def step(self, number: int, step: ActionStep) -> tuple[Call, ...]:
        timeout = step.timeout or self.action.timeout
        if step.command is not None:
            made: tuple[Call, ...] = (self.command(number, step.command, timeout),)
        elif step.http is not None:
            made = (self.http(number, step.http, timeout),)
        elif step.kubectl is not None:
            made = self.kubectl(number, step.kubectl, timeout)
        else:
            assert step.docker is not None  # noqa: S101 - the model demands one of the four
            made = (self.program(number, self.docker(step.docker), timeout, _DOCKER_ENV),)
        if not step.name:
            return made
        return tuple(dataclasses.replace(call, what=f"{step.name}: {call.what}") for call in made)

    def program(
        self, number: int, argv: tuple[str, ...], timeout: Ms, pass_env: tuple[str, ...] = (), what: str = ""
    ) -> Call:
        request = ProcessRequest(
            self.action.name, argv, environment(self.values), pass_env, timeout=timeout,
            kill_after=self.action.kill_after,
        )  # fmt: skip
        return Call(number, what or shlex.join(argv), request, (0,))

    def command(self, number: int, command: Command, timeout: Ms) -> Call:
        argv = (_SHELL, "-c", command.run[0]) if command.shell else self.filled(command.run)
        own = {name: self.fill(text) for name, text in command.env.items()}
        hidden = {name: self.read(file) for name, file in command.env_files.items()}
        secrets = [*hidden.values(), *(text for name, text in own.items() if _SECRET_NAME.search(name))]
        call = self.program(number, argv, timeout, command.pass_env, command.run[0] if command.shell else "")
        assert isinstance(call.request, ProcessRequest)  # noqa: S101 - as made above
        request = dataclasses.replace(
            call.request,
            env=(*call.request.env, *own.items(), *hidden.items()),
            cwd=command.cwd,
            stdin=self.fill(command.stdin).encode(),
        )
        known = maskable(secrets)
        return Call(number, mask(call.what, known), request, command.exit_codes, known)

    def read(self, file: str) -> str:
        return self.around.files.read(Path(file)).decode("utf-8", "replace").strip()

    def http(self, number: int, call: HttpCall, timeout: Ms) -> Call:
        secret_url = self.read(call.url_file) if call.url_file else ""
        url = fill_url(secret_url or call.url.reveal(), self.values)
        headers = [(name, self.fill(text)) for name, text in call.headers.items()]
        hidden = [(name, self.read(file)) for name, file in call.header_files.items()]
        body = self.fill(call.body)
        if call.json_ is not None:
            body = json.dumps(fill_json(call.json_, self.values), ensure_ascii=False)
        sending = Sending(f"{self.around.key}-{number}", self.around.files, self.around.defaults)
        request = post(
            url, body.encode(), call.http_config or HttpClientConfig(), sending,
            timeout=timeout, more=(*headers, *hidden), method=call.method,
        )  # fmt: skip
        request = dataclasses.replace(
            request, headers=_headers(request, typed=call.json_ is not None), max_bytes=_MAX_ANSWER
        )
        secrets = [*(value for _, value in hidden), *_secrets_of(request), *([url] if secret_url else [])]
        secrets += [value for name, value in headers if _SECRET_NAME.search(name)]
        known = maskable(secrets)
        where = "the URL of a file" if secret_url else mask(url, known)
        return Call(number, f"{call.method} {where}", request, call.expected_status, known)

    def kubectl(self, number: int, given: Kubectl, timeout: Ms) -> tuple[Call, ...]:
        base = ["kubectl"]
        for option in ("kubeconfig", "context", "namespace"):
            if text := self.fill(getattr(given, option)):
                base += [f"--{option}={text}"]
        resource, rest = "", list(self.filled(given.args))
        if given.rollout_undo:
            resource = self.fill(given.rollout_undo)
            rest = ["rollout", "undo", resource]
            rest += [f"--to-revision={given.to_revision}"] if given.to_revision else []
        elif given.rollout_restart:
            resource = self.fill(given.rollout_restart)
            rest = ["rollout", "restart", resource]
        elif given.scale is not None:
            resource = self.fill(given.scale.resource)
            rest = ["scale", resource, f"--replicas={given.scale.replicas}"]
        elif given.set_image is not None:
            resource = self.fill(given.set_image.resource)
            container, image = self.fill(given.set_image.container), self.fill(given.set_image.image)
            rest = ["set", "image", resource, f"{container}={image}"]
        found = [self.program(number, (*base, *rest), timeout, _KUBE_ENV)]
        if given.wait:
            argv = (*base, "rollout", "status", resource, f"--timeout={max(1, given.wait // SECOND)}s")
            # A little longer than kubectl itself waits, so that its own words are kept.
            found.append(self.program(number, argv, given.wait + 10 * SECOND, _KUBE_ENV))
        return tuple(found)

    def docker(self, given: Docker) -> tuple[str, ...]:
        base = ["docker", *([f"--context={self.fill(given.context)}"] if given.context else [])]
        for word in ("restart", "start", "stop"):
            if names := self.filled(getattr(given, word)):
                return (*base, word, *names)
        if given.compose_up is not None:
            up = given.compose_up
            base += ["compose", *(f"--file={file}" for file in up.files)]
            base += [f"--project-name={self.fill(up.project)}"] if up.project else []
            scale = [f"--scale={self.fill(name)}={count}" for name, count in up.scale.items()]
            return (*base, "up", "--detach", *scale, *self.filled(up.services))
        if given.service_scale:
            return (*base, "service", "scale", *(f"{self.fill(n)}={c}" for n, c in given.service_scale.items()))
        if given.service_rollback:
            return (*base, "service", "rollback", self.fill(given.service_rollback))
        return (*base, *self.filled(given.args))


def _headers(request: HttpRequest, *, typed: bool) -> tuple[tuple[str, str], ...]:
    """The headers, each once: what the action says goes before what we add; no type where there is no body."""
    found: dict[str, tuple[str, str]] = {}
    # The first of them is the type that every POST of ours gets.
    for name, value in request.headers if typed else request.headers[1:]:
        found[name.lower()] = (name, value)
    return tuple(found.values())


def _secrets_of(request: HttpRequest) -> list[str]:
    found = [value for name, value in request.headers if name.lower() == "authorization"]
    found += [value.partition(" ")[2] for value in found]
    if request.basic_auth is not None:
        found.append(request.basic_auth.password)
    if request.oauth2 is not None:
        found.append(request.oauth2.client_secret)
    found.append(urlsplit(request.url).password or "")
    return found

"""How a cluster's API is reached: as configured, as a pod inside of it, or as a kubeconfig file says."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import posixpath
from typing import TYPE_CHECKING, Any, Final

from hypercare.collectors.discovery.kubernetes.objects import listed, part, text
from hypercare.collectors.scrape.job import HttpSettings
from hypercare.collectors.settings import http_settings
from hypercare.config.source import read_yaml
from hypercare.model.errors import InputError
from hypercare.ports import BasicAuth, Tls

if TYPE_CHECKING:
    from hypercare.collectors.settings import SecretFiles
    from hypercare.config.discovery_containers import KubernetesSdConfig

_POD: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
"""Where every pod finds its account."""
_SERVER_INSIDE: Final = "https://kubernetes.default.svc"


_PLAIN: Final = HttpSettings()


@dataclasses.dataclass(frozen=True, slots=True)
class Access:
    """Server and log-in.

    Attributes:
        error: why there is none; nothing is asked then.
        namespace: that we run in; empty outside of a cluster.

    """

    server: str
    http: HttpSettings = _PLAIN
    namespace: str = ""
    error: str = ""


def access_of(config: KubernetesSdConfig, secrets: SecretFiles) -> Access:
    """The access of one entry; files that cannot be read become its ``error``."""
    try:
        if config.kubeconfig_file:
            return _from_kubeconfig(config.kubeconfig_file, secrets)
        namespace = secrets.read(f"{_POD}/namespace") if config.namespaces.own_namespace else ""
        if not config.api_server:
            return dataclasses.replace(_inside(secrets), namespace=namespace)
    except (OSError, UnicodeDecodeError, ValueError, InputError) as error:
        return Access("", error=f"no access to a cluster: {error}")
    settings = http_settings(config, secrets)
    return Access(config.api_server, settings, namespace, settings.error)


def _inside(secrets: SecretFiles) -> Access:
    token = secrets.read(f"{_POD}/token")
    tls = Tls(ca_pem=secrets.read(f"{_POD}/ca.crt"))
    return Access(_SERVER_INSIDE, HttpSettings(headers=(("Authorization", f"Bearer {token}"),), tls=tls))


def _from_kubeconfig(path: str, secrets: SecretFiles) -> Access:
    root = read_yaml(secrets.read(path).encode(), path).root
    document = root.data() if root is not None else {}
    context = _named(document, "contexts", text(document, "current-context"), "context")
    cluster = _named(document, "clusters", text(context, "cluster"), "cluster")
    user = _named(document, "users", text(context, "user"), "user")
    for kind in ("exec", "auth-provider"):
        if user.get(kind):
            msg = f"{path}: users that log in with {kind} are not supported; use a token or a client certificate"
            raise ValueError(msg)
    inner = _Files(path, secrets)
    server = text(cluster, "server")
    if not server:
        msg = f"{path}: the cluster of the current context has no server"
        raise ValueError(msg)
    token = text(user, "token") or inner.file(text(user, "tokenFile"))
    basic = BasicAuth(text(user, "username"), text(user, "password")) if text(user, "username") else None
    tls = Tls(
        ca_pem=inner.data(cluster, "certificate-authority"),
        cert_pem=inner.data(user, "client-certificate"),
        key_pem=inner.data(user, "client-key"),
        server_name=text(cluster, "tls-server-name"),
        insecure_skip_verify=cluster.get("insecure-skip-tls-verify") in (True, "true"),
    )
    headers = (("Authorization", f"Bearer {token}"),) if token else ()
    proxy = text(cluster, "proxy-url")
    settings = HttpSettings(headers, basic, tls=None if tls == Tls() else tls, proxy_url=proxy)
    return Access(server, settings, text(context, "namespace"))


def _named(document: Any, kind: str, name: str, key: str) -> dict[str, Any]:
    for each in listed(document, kind):
        if text(each, "name") == name:
            return part(each, key)
    msg = f"the kubeconfig file has no {key} {name!r} among its {kind}"
    raise ValueError(msg)


class _Files:
    """What a kubeconfig file names: relative to itself, or inside of it."""

    def __init__(self, path: str, secrets: SecretFiles) -> None:
        self._folder = posixpath.dirname(path)
        self._secrets = secrets

    def file(self, name: str) -> str:
        return self._secrets.read(posixpath.join(self._folder, name)) if name else ""

    def data(self, document: dict[str, Any], key: str) -> str:
        inline = text(document, f"{key}-data")
        if not inline:
            return self.file(text(document, key))
        try:
            return base64.b64decode(inline, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            msg = f"{key}-data is no base64 text: {error}"
            raise ValueError(msg) from None

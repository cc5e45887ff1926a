"""What every discovery has in common."""

from __future__ import annotations

import abc
import dataclasses
import re
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from hypercare.model.time import Ms
    from hypercare.model.workloads import Workload

_NO_LABEL: Final = re.compile(r"[^a-zA-Z0-9_]")
LabelPairs: TypeAlias = "tuple[tuple[str, str], ...]"


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """Targets, each as label pairs with ``__address__``; an error stands beside the last good ones.

    Attributes:
        targets: none where nothing could be learned, so that the last ones stay.
        again: after how many ms a discovery that follows wants to try anew; 0: it is well.

    """

    targets: tuple[LabelPairs, ...] | None
    error: str = ""
    again: Ms = 0


class Discovery(abc.ABC):
    """One entry of a ``*_sd_configs`` or ``static_configs``.

    Attributes:
        kind: name for people.
        every: how often to look again, ms; 0: never.

    """

    kind: ClassVar[str]
    every: Ms = 0

    def read(self) -> Found | None:
        """Look at once, where that takes no waiting; none for those that have to ask."""
        return None

    def ask(self, reply: Callable[[Found], None]) -> None:
        """Start to look; ``reply`` is called once, from any thread."""
        raise NotImplementedError

    def workloads(self) -> tuple[Workload, ...]:
        """What it knows to run now; none for kinds that do not tell."""
        return ()

    def close(self) -> None:  # noqa: B027 - few have something to end
        """It is not asked any more: end what is under way."""

    @property
    @abc.abstractmethod
    def identity(self) -> object:
        """Equal where the configuration is, so that a reload leaves an unchanged discovery alone."""


class Following(Discovery):
    """A discovery that is told of changes as they happen."""

    @abc.abstractmethod
    def follow(self, now: Ms, poke: Callable[[], None]) -> None:
        """Begin, or go on after an error; ``poke`` is called from any thread when there is something to look at."""

    @abc.abstractmethod
    def current(self, now: Ms) -> Found:
        """What is known now; in the kernel's thread."""


def label_name(text: str) -> str:
    """A text as a part of a label's name: what may not stand there becomes ``_``."""
    return _NO_LABEL.sub("_", text)


def host_port(host: str, port: object) -> str:
    """An address; IPv6 in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def groups_of(document: Any, meta: LabelPairs) -> tuple[LabelPairs, ...]:
    """Targets of a list of ``{targets: [...], labels: {...}}``.

    Raises:
        ValueError: it has another form.

    """
    if document is None:
        return ()
    if not isinstance(document, list):
        msg = "expected a list of target groups"
        raise ValueError(msg)  # noqa: TRY004 - input, not a programming error
    found: list[LabelPairs] = []
    for at, group in enumerate(document):
        if not isinstance(group, dict) or not isinstance(group.get("targets", []), list):
            msg = f"target group {at}: expected an object with targets (a list) and labels"
            raise ValueError(msg)  # noqa: TRY004
        labels = group.get("labels") or {}
        if not isinstance(labels, dict) or not all(isinstance(v, str) for v in labels.values()):
            msg = f"target group {at}: expected labels to be texts by name"
            raise ValueError(msg)
        unknown = sorted(set(group) - {"targets", "labels"})
        if unknown:
            msg = f"target group {at}: unknown key {unknown[0]!r}; expected targets and labels"
            raise ValueError(msg)
        # str(): YAML scalars are a subclass that remembers how they were written.
        shared = tuple((str(name), str(value)) for name, value in labels.items())
        for target in group.get("targets") or []:
            if not isinstance(target, str):
                msg = f"target group {at}: expected targets to be texts, found {target!r}"
                raise ValueError(msg)  # noqa: TRY004
            found.append((*shared, *meta, ("__address__", str(target))))
    return tuple(found)

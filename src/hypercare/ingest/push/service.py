"""Pushes as a part of the kernel's loop: groups of families, kept over restarts, shown as one text to scrape."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, func, insert, select, update

from hypercare.ingest.push.families import Family, series_text
from hypercare.ingest.push.tables import push_families, push_groups
from hypercare.kernel import CommandError
from hypercare.model.labels import METRIC_NAME, Labels
from hypercare.ports import Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hypercare.config import Config
    from hypercare.kernel import Context, Kernel
    from hypercare.model.time import Ms

_MAX_GROUPS: Final = 10_000
_TIMES: Final = (
    ("push_time_seconds", "Last Unix time when changing this group succeeded."),
    ("push_failure_time_seconds", "Last Unix time when changing this group failed."),
)


@dataclasses.dataclass(frozen=True, slots=True)
class Push:
    """Command: keep these families of a group.

    Attributes:
        replace: the whole group, not only families of the same names.

    """

    group: Labels
    families: tuple[Family, ...]
    replace: bool


@dataclasses.dataclass(frozen=True, slots=True)
class PushFailed:
    """Command: note that a push to a group was refused."""

    group: Labels


@dataclasses.dataclass(frozen=True, slots=True)
class DeletePushed:
    """Command: forget a group; one that is not there is no error."""

    group: Labels


@dataclasses.dataclass(frozen=True, slots=True)
class Group:
    """What was pushed under the same labels.

    Attributes:
        pushed_at: ms; 0: never with success.
        failed_at: ms; 0: never without.

    """

    labels: Labels
    pushed_at: Ms = 0
    failed_at: Ms = 0
    families: dict[str, Family] = dataclasses.field(default_factory=dict)


class PushService:
    """Keeps what jobs push.

    Attributes:
        groups: by fingerprint of their labels; replaced as a whole, may be read from any thread.
        on_first_or_last: hears when the first group comes and when the last one goes.

    """

    def __init__(self) -> None:
        self.on_first_or_last: Callable[[Context], None] = lambda _ctx: None
        self.groups: dict[str, Group] = {}
        self._loaded = False
        self._mark: tuple[object, ...] = ()
        self._shown: tuple[dict[str, Group], bytes] | None = None

    def register(self, kernel: Kernel) -> None:
        """Take part in the loop."""
        kernel.on_message(Push, self._push)
        kernel.on_message(PushFailed, self._failed)
        kernel.on_message(DeletePushed, self._delete)

    def configure(self, ctx: Context, _config: Config) -> None:
        """Load what was pushed before the start."""
        if not self._loaded:
            self._load(ctx)

    def catch_up(self, ctx: Context) -> None:
        """See what another replica was given, as far as it is news."""
        c = push_groups.c
        latest = select(func.count(), func.max(c.pushed_at), func.max(c.failed_at)).select_from(push_groups)
        mark = tuple(ctx.db.execute(latest).one())
        if mark != self._mark:
            before = self.groups
            self._load(ctx)
            self._mark = mark
            if bool(before) != bool(self.groups):
                self.on_first_or_last(ctx)

    def _load(self, ctx: Context) -> None:
        groups = {
            row.key: Group(Labels(json.loads(row.labels)), row.pushed_at, row.failed_at)
            for row in ctx.db.execute(select(push_groups).order_by(push_groups.c.key))
        }
        for row in ctx.db.execute(select(push_families).order_by(push_families.c.group_key, push_families.c.name)):
            kind, text, samples = json.loads(row.body)
            if row.group_key in groups:
                found = tuple((series, value) for series, value in samples)
                groups[row.group_key].families[row.name] = Family(row.name, kind, text, found)
        self.groups, self._loaded = groups, True

    def _push(self, ctx: Context, command: Push) -> None:
        key = command.group.fingerprint()
        before = self._group(ctx, key, command.group)
        fresh = {family.name: family for family in command.families}
        gone = before.families if command.replace else fresh
        ctx.db.execute(
            delete(push_families).where(push_families.c.group_key == key, push_families.c.name.in_(list(gone)))
        )
        rows = [
            {"group_key": key, "name": f.name, "body": json.dumps([f.type, f.help, f.samples])} for f in fresh.values()
        ]
        if rows:
            ctx.db.execute(insert(push_families), rows)
        ctx.db.execute(update(push_groups).where(push_groups.c.key == key).values(pushed_at=ctx.now))
        families = fresh if command.replace else {**before.families, **fresh}
        self._show(ctx, key, dataclasses.replace(before, pushed_at=ctx.now, families=families))

    def _group(self, ctx: Context, key: str, labels: Labels) -> Group:
        """The group of these labels, with a row; a new one where there is none.

        Raises:
            CommandError: there are too many.

        """
        found = self.groups.get(key)
        if found is None:
            if len(self.groups) >= _MAX_GROUPS:
                msg = f"there are {_MAX_GROUPS} groups of pushed metrics already; delete some"
                raise CommandError(msg, 429)
            found = Group(labels)
            row = {"key": key, "labels": json.dumps(labels.pairs), "pushed_at": 0, "failed_at": 0}
            ctx.db.execute(insert(push_groups), [row])
        return found

    def _failed(self, ctx: Context, command: PushFailed) -> None:
        key = command.group.fingerprint()
        before = self._group(ctx, key, command.group)
        ctx.db.execute(update(push_groups).where(push_groups.c.key == key).values(failed_at=ctx.now))
        self._show(ctx, key, dataclasses.replace(before, failed_at=ctx.now))

    def _delete(self, ctx: Context, command: DeletePushed) -> None:
        key = command.group.fingerprint()
        ctx.db.execute(delete(push_families).where(push_families.c.group_key == key))
        ctx.db.execute(delete(push_groups).where(push_groups.c.key == key))
        self._show(ctx, key, None)

    def _show(self, ctx: Context, key: str, group: Group | None) -> None:
        """Let readers see a changed group once it is committed."""
        groups = {name: found for name, found in self.groups.items() if name != key}
        if group is not None:
            groups[key] = group

        def replace() -> None:
            self.groups = groups

        if bool(groups) != bool(self.groups):
            self.on_first_or_last(ctx)
        ctx.after_commit(replace)

    def readings(self) -> Iterator[Reading]:
        """How much is kept, for ``/metrics``."""
        text = "Groups of metrics that jobs pushed and nobody deleted."
        yield Reading("hypercare_push_groups", "gauge", text, (((), float(len(self.groups))),))

    # -- what is scraped ---------------------------------------------------------------------------------------

    @property
    def empty(self) -> bool:
        """Whether nothing is kept."""
        return not self.groups

    def text(self) -> bytes:
        """Everything that is kept, in the text format."""
        groups = self.groups
        if self._shown is None or self._shown[0] is not groups:
            self._shown = (groups, _render(groups))
        return self._shown[1]


def _render(groups: dict[str, Group]) -> bytes:
    names = sorted({name for group in groups.values() for name in group.families})
    lines: list[str] = []
    for name in names:
        parts = [group.families[name] for group in groups.values() if name in group.families]
        text = parts[0].help.replace("\\", r"\\").replace("\n", r"\n")
        kind = "untyped" if parts[0].type == "unknown" else parts[0].type
        # Names beyond the classic ones are quoted in the text format, and need no description.
        if name.isascii() and name.replace("_", "a").replace(":", "a").isalnum() and kind != "gaugehistogram":
            lines += [f"# HELP {name} {text}"] if text else []
            lines.append(f"# TYPE {name} {kind}")
        lines += [f"{series} {value}" for part in parts for series, value in part.samples]
    for (name, text), field in zip(_TIMES, ("pushed_at", "failed_at"), strict=True):
        lines += [f"# HELP {name} {text}", f"# TYPE {name} gauge"]
        for group in groups.values():
            series = series_text(Labels(((METRIC_NAME, name),)), group.labels)
            lines.append(f"{series} {getattr(group, field) / 1000!r}")
    lines.append("")
    return "\n".join(lines).encode("utf-8", "replace")

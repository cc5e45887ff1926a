"""Tasks of an incident and actions after it: owner, due time, reminders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import insert, update

from hypercare.incidents import room_store, rows
from hypercare.incidents.acks import asked, found
from hypercare.incidents.commands import AddTask, ChangeTask
from hypercare.incidents.facts import moment
from hypercare.incidents.reminders import due_text, next_reminder
from hypercare.incidents.room_store import ACTION, TASK, Task
from hypercare.incidents.tables import tasks
from hypercare.kernel import CommandError

if TYPE_CHECKING:
    from hypercare.incidents.current import Current
    from hypercare.incidents.notices import Notices
    from hypercare.incidents.room import Room
    from hypercare.kernel import Context, Kernel

_REMIND: Final = "incidents.task"
_LONGEST: Final = 2000


class Tasks:
    """Commands of people, and the timers that remind owners."""

    def __init__(self, room: Room, notices: Notices, settings: Current) -> None:
        self._settings = settings
        self._room = room
        self._notices = notices

    def register(self, kernel: Kernel) -> None:
        """Take part in the loop."""
        kernel.on_message(AddTask, self._add)
        kernel.on_message(ChangeTask, self._change)
        kernel.on_timer(_REMIND, self._settings.patient(_REMIND, self._on_due))

    def _add(self, ctx: Context, command: AddTask) -> Task:
        incident = asked(ctx, command.id, command.by)
        text = " ".join(command.text.split())
        if not text or len(text) > _LONGEST:
            raise CommandError(f"say what is to be done, in at most {_LONGEST} characters", 400)
        if command.kind not in {TASK, ACTION}:
            raise CommandError(f"a task is of kind {TASK} or {ACTION}, not {command.kind!r}", 400)
        if command.kind == ACTION and not (command.owner.strip() and command.due_at):
            raise CommandError("an action needs an owner and a due date, or nobody will do it", 400)
        values: dict[str, Any] = {
            "incident_id": incident.id,
            "kind": command.kind,
            "text": text,
            "owner": command.owner.strip(),
            "due_at": command.due_at,
            "created_by": command.by,
            "created_at": ctx.now,
            "done_by": "",
        }
        task_id = int(ctx.db.execute(insert(tasks).values(values).returning(tasks.c.id)).scalar_one())
        told = f"{command.kind} {task_id}: {text}"
        told += f", for {command.owner.strip()}" if command.owner.strip() else ""
        told += f", due {moment(command.due_at)}" if command.due_at else ""
        rows.tell(ctx, incident.id, "task", told, command.by, task=task_id)
        self._watch(ctx, task_id)
        self._room.changed(ctx, incident.id, command.kind, command.by)
        return _known(ctx, task_id)

    def _change(self, ctx: Context, command: ChangeTask) -> Task:
        task = _known(ctx, command.task)
        asked(ctx, task.incident_id, command.by)
        values, told = _changes(task, command, ctx.now)
        if not values:
            return task
        ctx.db.execute(update(tasks).where(tasks.c.id == task.id).values(values))
        text = f"{task.kind} {task.id} {', '.join(told)}: {task.text}"
        rows.tell(ctx, task.incident_id, "task", text, command.by, task=task.id)
        self._watch(ctx, task.id)
        self._room.changed(ctx, task.incident_id, task.kind, command.by)
        return _known(ctx, task.id)

    def _watch(self, ctx: Context, task_id: int) -> None:
        """Have a timer at the next reminder."""
        task, key = _known(ctx, task_id), f"{_REMIND}:{task_id}"
        after = max(task.created_at, task.reminded_at or 0)
        at = None
        if task.due_at is not None and task.done_at is None:
            at = next_reminder(task.created_at, task.due_at, after)
        if at is None:
            ctx.cancel_timer(key)
        else:
            ctx.set_timer(key, at, _REMIND)

    def _on_due(self, ctx: Context, key: str) -> None:
        task = room_store.load_task(ctx.db, int(key.removeprefix(f"{_REMIND}:")))
        if task is None or task.done_at is not None or task.due_at is None:
            return
        incident = found(ctx, task.incident_id)
        state = due_text(task.due_at, ctx.now)
        names = (task.owner, room_store.commander_of(ctx.db, incident.id), incident.acknowledged_by)
        title = f"{task.kind.capitalize()} {task.id} of incident #{incident.number} {state}"
        who = self._notices.remind(ctx, incident, names, title, task.text)
        told = f"{task.kind} {task.id} {state}: {task.text}" + (f"; {who} is reminded" if who else "")
        rows.tell(ctx, incident.id, "reminder", told, task=task.id)
        ctx.db.execute(update(tasks).where(tasks.c.id == task.id).values(reminded_at=ctx.now))
        self._watch(ctx, task.id)


def _changes(task: Task, command: ChangeTask, now: int) -> tuple[dict[str, Any], list[str]]:
    """New values of columns, and what is said of them."""
    values: dict[str, Any] = {}
    told: list[str] = []
    if command.done is not None and command.done != (task.done_at is not None):
        values |= {"done_at": now if command.done else None, "done_by": command.by if command.done else ""}
        told.append("done" if command.done else "not done after all")
    if command.owner is not None and command.owner.strip() != task.owner:
        if task.kind == ACTION and not command.owner.strip():
            raise CommandError("an action needs an owner, or nobody will do it", 400)
        values["owner"] = command.owner.strip()
        told.append(f"goes to {command.owner.strip()}" if command.owner.strip() else "has no owner any more")
    if command.due_at is not None and command.due_at != task.due_at:
        values |= {"due_at": command.due_at, "reminded_at": now}
        told.append(f"is due {moment(command.due_at)}")
    return values, told


def _known(ctx: Context, task_id: int) -> Task:
    task = room_store.load_task(ctx.db, task_id)
    if task is None:
        raise CommandError(f"there is no task {task_id}", 404)
    return task

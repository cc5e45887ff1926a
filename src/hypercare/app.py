"""The one place where things are wired: ``build(config, ports)`` gives the App that serve and simulate run."""

from __future__ import annotations

import dataclasses
import functools
import logging
from typing import TYPE_CHECKING, Final

from hypercare import __version__, selfwatch
from hypercare.access.service import AccessService
from hypercare.actions.service import ActionsService
from hypercare.auditor.service import AuditorService
from hypercare.backend import Backend, destinations_of
from hypercare.channels.dispatcher import Dispatcher
from hypercare.channels.memory import recall
from hypercare.channels.message import render_message
from hypercare.channels.service import ChannelsService
from hypercare.collectors import CollectorsService, OwnMetrics
from hypercare.config.schedule_refs import name_problems
from hypercare.conversations.service import ConversationsService
from hypercare.deploys.service import DeploysService
from hypercare.incidents.evidence import Instruments
from hypercare.incidents.graphs import expression_of, graphs_of
from hypercare.incidents.service import IncidentService
from hypercare.incidents.settings import Recipient
from hypercare.ingest import IngestService
from hypercare.ingest.push.service import PushService
from hypercare.keeping import Keeper
from hypercare.kernel import CommandError, Kernel, Outbox
from hypercare.model.errors import InputError
from hypercare.model.events import ConfigReloaded
from hypercare.model.ingest import MetricMetadata
from hypercare.model.time import DAY, MINUTE, SECOND, Ms
from hypercare.oncall.plan import Receiver
from hypercare.oncall.service import OnCallService
from hypercare.oncall.stored import load_stored
from hypercare.promql import Engine, Features, Limits
from hypercare.remote import RemoteWriteService
from hypercare.routing.from_config import settings_from
from hypercare.routing.service import RoutingService
from hypercare.routing.store import load_alerts
from hypercare.rules import RulesService
from hypercare.state import State
from hypercare.state.lease import Standing
from hypercare.tsdb import Options, Tsdb

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from pathlib import Path

    from hypercare.config import Config
    from hypercare.kernel import Context
    from hypercare.ports import Ports
    from hypercare.routing.settings import RoutingSettings

_log = logging.getLogger(__name__)
_CACHE_SHARE = 20
"""One part in so many of the memory may hold decompressed samples, unless ``storage.cache_size`` says otherwise."""
_FLUSH, _MAINTAIN = "tsdb.flush", "tsdb.maintain"
_FOLLOW = "app.follow"
_FOLLOW_EVERY: Ms = 2 * SECOND
_WRITE_OUT_EVERY: Final = SECOND // 5
"""How often the log is given to the system; it is waited for the disk every half second."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Apply:
    """Command: run by this configuration from now on.

    Attributes:
        refused: where it is the old one that comes back: what was wrong with the new one.
        again: it is the running one, for which memory is to follow the rows.

    """

    config: Config
    refused: str = ""
    again: bool = False


class App:
    """One running hypercare, whatever drives it.

    Attributes:
        replica: the name of this process among those that share a state.
        leader: the address of the replica that leads, if it is another one; empty where it is not known.
        standing: who leads, as far as the database has said.
        last_reload_error: why the last reload was refused; empty where it was not.

    """

    version = __version__

    def __init__(self, config: Config, ports: Ports, data: Path | None, hostname: str, memory: int) -> None:
        self.config = config
        self.ports = ports
        self.retention: Ms = config.hypercare.storage.retention or 15 * DAY
        storage = config.hypercare.storage
        options = Options(retention=self.retention, retention_bytes=storage.retention_size)
        cache = storage.cache_size or memory // _CACHE_SHARE
        if cache:
            options = dataclasses.replace(options, cache_bytes=cache)
        self.tsdb = Tsdb.open(None if data is None else data / "metrics", options)
        self.state = State.open(None if data is None else data / "state.db", config.hypercare.state_url(ports.files))
        self.engine = Engine(*_query_settings(config), ports.workers)
        self.dispatcher = Dispatcher(ports, functools.partial(recall, self.state))
        self.channels = ChannelsService(self.dispatcher, ports.files)
        self.kernel = Kernel(self.state, ports, Outbox(self.dispatcher))
        self.own = OwnMetrics(ports.clock.now(), ports.process)
        self.own.read_from(lambda: selfwatch.readings(self))
        self.pushes = PushService()
        self.collectors = CollectorsService(ports, self.tsdb, self.own, hostname, self.pushes)
        self.pushes.on_first_or_last = self.collectors.look_for_pushed
        self.ingest = IngestService(self.tsdb)
        keeper = Keeper(self.tsdb, ports.ids, None if data is None else data / "snapshots")
        self.rules = RulesService(self.tsdb, self.engine)
        self.rules.wait_for(lambda: self.collectors.under_way)
        self.backend = Backend(ports.http, ports.files)
        self.remote = RemoteWriteService(ports, self.tsdb, self._metadata, destinations_of)
        self.routing = RoutingService(self._routing_settings)
        self.access = AccessService()
        self.incidents = IncidentService(render_message, self._told_receivers, self._instruments())
        self.oncall = OnCallService(self.channels.render, self._page_receivers)
        self.auditor = AuditorService(lambda: self.oncall.plan, ports, self.rules)
        self.actions = ActionsService(lambda: self.oncall.plan, ports, self.channels.url_of)
        self.replica = hostname
        self.leader: Callable[[], str] = str
        self.standing: Callable[[], Standing] = Standing
        self.deploys = DeploysService(
            self.engine, self.tsdb, lambda: self.oncall.plan, render_message, self.collectors.workloads
        )
        self.started_at = self.last_reload_at = ports.clock.now()
        self.last_reload_error = ""
        self._durable = data is not None
        self._flushed_at: Ms = 0
        # Order matters twice: events reach subscribers in it, and configure runs in it.
        self._services = (
            self.channels,
            self.access,
            self.routing,
            self.incidents,
            self.oncall,
            self.rules,
            self.pushes,
            self.collectors,
            self.ingest,
            self.remote,
            self.auditor,
            self.deploys,
            self.actions,
        )
        self._wire(keeper)

    def _wire(self, keeper: Keeper) -> None:
        """Have all parts take part in the loop."""
        # What each replica does for itself goes on while it stands by; the rest is done by the one that leads.
        own = (self.rules, self.collectors, self.ingest, self.remote)
        for service in self._services:
            with self.kernel.everywhere(service in own):
                service.register(self.kernel)
        ConversationsService().register(self.kernel)
        with self.kernel.everywhere():
            keeper.register(self.kernel)
            self.kernel.on_message(_Apply, self._apply)
            self.kernel.on_timer(_FLUSH, self._flush)
            self.kernel.on_timer(_MAINTAIN, self._maintain)
            self.kernel.on_timer(_FOLLOW, self._follow)
        self.kernel.on_role(lambda ctx: self._apply(ctx, _Apply(self.config, again=True)))

    @property
    def last_reload_ok(self) -> bool:
        """Whether the configuration that was read last is the running one."""
        return not self.last_reload_error

    @property
    def routing_settings(self) -> RoutingSettings:
        """What routing runs by.

        Raises:
            CommandError: the first configuration is not applied yet.

        """
        if self.routing.settings is None:
            raise CommandError("not ready yet", 503)
        return self.routing.settings

    def start(self) -> Future[None]:
        """Take up stored deadlines and effects, then the configuration; the future ends when all rooms are set up."""
        # Unfinished deliveries go out at once, and need to know the receivers.
        self.dispatcher.configure(self.config)
        self.kernel.start()
        return self.kernel.call(_Apply(self.config))

    def reload(self, load: Callable[[], Config]) -> Future[None]:
        """Read the configuration anew and run by it; a bad one leaves the running one as it is.

        Raises:
            InputError: what is wrong with the new one.

        """
        try:
            config = load()
            self.check_names(config)
        except InputError as error:
            self.last_reload_error = str(error)
            _log.error("the new configuration is refused, the old one goes on:\n%s", error)
            raise
        taken = self.kernel.call(_Apply(config))
        taken.add_done_callback(self._taken)
        return taken

    def check_names(self, config: Config) -> None:
        """Hold the schedules of a configuration against those that people made.

        Raises:
            InputError: both have one of the same name, or it names one that neither has.

        """
        with self.state.read() as db:
            made = [stored.name for stored in load_stored(db)]
        problems = name_problems(config.schedules_written, config.schedules_named, made)
        if problems:
            raise InputError(problems)

    def close(self) -> None:
        """Write what is in memory and close the stores."""
        self.tsdb.flush(self.ports.clock.now())
        self.tsdb.close()
        self.state.close()

    def _taken(self, taken: Future[None]) -> None:
        """Go back to the old configuration if a room could not take the new one: others may have taken it already."""
        error = taken.exception()
        if error is not None:
            self.last_reload_error = str(error) or type(error).__name__
            _log.error("the new configuration cannot be taken, the old one comes back: %s", self.last_reload_error)
            self.kernel.call(_Apply(self.config, self.last_reload_error))

    def _apply(self, ctx: Context, command: _Apply) -> None:
        if not (command.refused or command.again):
            # Once more: since the files were read a schedule may have been made.
            twice = name_problems(command.config.schedules_written, (), [s.name for s in load_stored(ctx.db)])
            if twice:
                raise CommandError("\n".join(map(str, twice)), 409)
        self.dispatcher.configure(command.config)
        self.engine.configure(*_query_settings(command.config))
        self.tsdb.accept_out_of_order(_out_of_order_window(command.config))
        self.rules.ask(self.backend if self.backend.configure(command.config) else None)
        self._catch_up(ctx)
        elsewhere = self.backend if self.backend.configure(command.config) else None
        self.rules.ask(elsewhere)
        self.deploys.meter.elsewhere = elsewhere
        for service in self._services:
            service.configure(ctx, command.config)
        if not command.refused and not command.again:
            self.config = command.config
            self.last_reload_at, self.last_reload_error = ctx.now, ""
            ctx.publish(ConfigReloaded(command.config.hash))
        self.kernel.outbox.keep(ctx, command.config.hypercare.channels.keep)
        if self._durable:
            ctx.set_timer(_FLUSH, ctx.now + SECOND, _FLUSH, durable=False)
        ctx.set_timer(_MAINTAIN, ctx.now + MINUTE, _MAINTAIN, durable=False)
        if not ctx.leads:
            ctx.set_timer(_FOLLOW, ctx.now + _FOLLOW_EVERY, _FOLLOW, durable=False)

    def _catch_up(self, ctx: Context) -> None:
        """What rooms keep in memory of rows that the leader may have changed."""
        if self.state.shared:
            self.pushes.catch_up(ctx)

    def _follow(self, ctx: Context, key: str) -> None:
        """Stand by: see what the leader has changed."""
        if ctx.leads:
            return
        ctx.set_timer(key, ctx.now + _FOLLOW_EVERY, _FOLLOW, durable=False)
        if not self.state.away:
            self._catch_up(ctx)
            self.oncall.catch_up(ctx)

    def _routing_settings(self, config: Config) -> RoutingSettings:
        own = config.hypercare
        integrations, url = self.dispatcher.integrations, own.web.external_url
        return settings_from(config.alertmanager, integrations, url, own.silences, own.flapping)

    def _metadata(self) -> dict[str, MetricMetadata]:
        """What targets and senders told of metrics."""
        found = dict(self.ingest.metadata)
        for target in self.collectors.snapshot().active:
            for name, meta in target.metadata.items():
                found[name] = MetricMetadata(name, meta.type, meta.help, meta.unit)
        return found

    def _page_receivers(self, config: Config) -> tuple[Receiver, ...]:
        names = (receiver.name for receiver in config.alertmanager.receivers)
        return tuple(Receiver(name, self.dispatcher.targets(name)) for name in names)

    def _instruments(self) -> Instruments:
        """What incidents gather evidence with."""
        return Instruments(
            expressions=lambda alert: expression_of(self.rules, alert),
            graphs=lambda expr, near, *span: graphs_of(lambda: self.engine, self.tsdb, expr, near, span),
            firing=lambda db, now: [view.alert for view in load_alerts(db, self.routing_settings, now)],
            elsewhere=lambda: self.backend if self.backend.settings is not None else None,
        )

    def _told_receivers(self, config: Config) -> tuple[Recipient, ...]:
        return tuple(Recipient(r.name, r.targets) for r in self._page_receivers(config))

    def _flush(self, ctx: Context, key: str) -> None:
        # Far below the promised second, so that neither a slow step before it nor a busy machine breaks the promise.
        ctx.set_timer(key, ctx.now + _WRITE_OUT_EVERY, _FLUSH, durable=False)
        if ctx.now - self._flushed_at >= SECOND // 2 or ctx.now < self._flushed_at:
            self._flushed_at = ctx.now
            self.tsdb.flush(ctx.now)
        else:
            self.tsdb.write_out()

    def _maintain(self, ctx: Context, key: str) -> None:
        more = self.tsdb.maintain(ctx.now)
        # Blocks are written in slices, so that nothing else waits for long.
        ctx.set_timer(key, ctx.now + (SECOND if more else MINUTE), _MAINTAIN, durable=False)


def _out_of_order_window(config: Config) -> Ms:
    own = config.hypercare.metrics.out_of_order_time_window
    if own is not None:
        return own
    tsdb = config.prometheus.storage.tsdb
    return 0 if tsdb is None else tsdb.out_of_order_time_window


def _query_settings(config: Config) -> tuple[Limits, Features]:
    query = config.hypercare.metrics.query
    limits = Limits(
        max_samples=query.max_samples,
        max_series=query.max_series,
        max_bytes=query.max_memory,
        lookback=query.lookback_delta,
    )
    return limits, Features.of(query.enable_features)


def build(config: Config, ports: Ports, data: Path | None = None, hostname: str = "localhost", memory: int = 0) -> App:
    """Wire an App.

    Args:
        config: a checked configuration.
        ports: the real outside, or a virtual one.
        data: the directory of state and metrics; none keeps everything in memory.
        hostname: the ``instance`` of the machine we run on.
        memory: bytes that the process may use, of which caches get their share; 0: unknown.

    """
    return App(config, ports, data, hostname, memory)

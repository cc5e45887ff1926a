"""TempoNest's machines in the virtual world: healthy, with knobs for what goes wrong."""

from __future__ import annotations

from pathlib import Path

HOME = Path(__file__).parents[2] / "examples" / "temponest"
SERVICES = {"agents": "agents:9000", "auth": "auth:9002", "scheduler": "scheduler:9003", "web-ui": "web-ui:8080"}
MB = 1e6
_RATES = {"agents": 30.0, "auth": 15.0, "scheduler": 5.0, "web-ui": 12.0}
_MEMORY = {"agents": 650, "auth": 220, "scheduler": 300, "postgres": 1100}
_CPU = {"agents": 0.3, "auth": 0.07, "scheduler": 0.1, "postgres": 0.2, "redis": 0.1}
_SLOW = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)


class TempoNest:
    """The platform on one stage."""

    def __init__(self, stage):
        self.stage = stage
        self.of = {name: stage.target(address) for name, address in SERVICES.items()}
        self.postgres, self.redis = stage.target("postgres-exporter:9187"), stage.target("redis-exporter:9121")
        self.ollama, self.qdrant = stage.target("ollama:11434"), stage.target("qdrant:6333")
        self.machine, self.node = stage.target("cadvisor:8080"), stage.target("node-exporter:9100")
        self.healthy()

    def healthy(self, traffic=1.0):
        for name, target in self.of.items():
            target.up = True
            self.serve(name, traffic)
            target.gauge("http_requests_in_flight", 3 * traffic)
            target.gauge("http_request_duration_seconds_max", 1.2, noise=0.1)
        agents = self.of["agents"]
        agents.gauge("agent_queue_depth", 4, noise=1)
        agents.histogram("agent_task_duration_seconds", "", 2 * traffic, 6.0, _SLOW)
        agents.counter('agent_tasks_total{status="done"}', 2 * traffic)
        agents.counter('webhook_deliveries_total{status="ok"}', traffic)
        agents.gauge("db_pool_wait_seconds", 0.004)
        self.of["scheduler"].counter('scheduled_tasks_total{status="done"}', 0.1)
        p, r = self.postgres, self.redis
        for state, level in (("active", 20), ("idle", 10)):
            p.gauge(f'pg_stat_activity_count{{state="{state}"}}', level, noise=1)
        p.counter("pg_stat_statements_seconds_total", 4)
        p.counter("pg_stat_statements_calls_total", 400)
        p.counter("db_slow_queries_total", 0.03)
        p.counter("db_lock_waits_total", 0)
        r.counter("redis_keyspace_hits_total", 80)
        r.counter("redis_keyspace_misses_total", 20)
        r.gauge("redis_memory_used_bytes", 300 * MB, noise=3 * MB)
        r.counter("redis_evicted_keys_total", 0.1)
        r.gauge("redis_connected_clients", 30, noise=1)
        self.ollama.histogram("ollama_request_duration_seconds", "", 0.5, 1.5, _SLOW)
        self.ollama.gauge("ollama_queue_depth", 2)
        self.qdrant.histogram("qdrant_query_duration_seconds", "", 5, 0.02, (0.01, 0.05, 0.1, 0.5, 2.0))
        self.qdrant.gauge("process_resident_memory_bytes", 1.5e9, noise=1e7)
        for name, level in _MEMORY.items():
            self.memory(name, level)
        for name, rate in _CPU.items():
            self.machine.counter(f'container_cpu_usage_seconds_total{{container="{name}"}}', rate)
        self.node.gauge("node_memory_MemTotal_bytes", 16e9)
        self.node.gauge("node_memory_MemAvailable_bytes", 9e9)

    def serve(self, name, traffic=1.0, failing=0.001, mean=0.09):
        rate = _RATES[name] * traffic
        self.of[name].counter('http_requests_total{status="200"}', rate * (1 - failing))
        self.of[name].counter('http_requests_total{status="500"}', rate * failing)
        bounds = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
        self.of[name].histogram("http_request_duration_seconds", "", rate, mean, bounds)

    def memory(self, name, megabytes, an_hour=0.0):
        series = f'container_memory_usage_bytes{{container="{name}"}}'
        self.machine.gauge(series, megabytes * MB, noise=megabytes * MB / 100, slope=an_hour * MB / 3600)

"""Every rule of the example platforms fires for its fault and resolves when it is gone, under the virtual clock."""

from __future__ import annotations

from pathlib import Path

import pytest

from hypercare.config.objectives import PLACE
from hypercare.model.time import HOUR, MINUTE

EXAMPLES = Path(__file__).parents[2] / "examples"
GIB = 2.0**30


def orchestrator(make):
    stage = make(EXAMPLES / "robust-ai-orchestrator" / "hypercare.yml")
    for address in ("orchestrator-api:3000", "orchestrator-worker:3001"):
        target = stage.target(address)
        target.counter('http_requests_total{code="200"}', 50)
        target.counter('http_requests_total{code="500"}', 0.1)
        target.histogram("http_request_duration_seconds", 'route="/v1/run"', 50, 0.1)
    api, worker = stage.target("orchestrator-api:3000"), stage.target("orchestrator-worker:3001")
    for result, rate in (("success", 10), ("failure", 0.1)):
        api.counter(f'auth_attempts_total{{result="{result}"}}', rate)
    for outcome, rate in (("ok", 20), ("timeout", 0.05)):
        api.counter(f'external_requests_total{{service="mail",outcome="{outcome}"}}', rate)
    for status, rate in (("completed", 5), ("failed", 0.02)):
        worker.counter(f'workflow_executions_total{{status="{status}"}}', rate)
    postgres = stage.target("postgres-exporter:9187")
    postgres.gauge("postgresql_up", 1)
    postgres.gauge('pg_stat_activity_count{state="active"}', 20)
    postgres.gauge("pg_settings_max_connections", 100)
    stage.target("redis-exporter:9121").gauge("redis_up", 1)
    node = stage.target("node-exporter:9100")
    node.gauge("node_memory_MemTotal_bytes", 16 * GIB)
    node.gauge("node_memory_MemAvailable_bytes", 9 * GIB)
    node.gauge('node_filesystem_size_bytes{mountpoint="/"}', 100 * GIB)
    node.gauge('node_filesystem_avail_bytes{mountpoint="/"}', 60 * GIB)
    node.counter('node_cpu_seconds_total{cpu="0",mode="idle"}', 0.7)
    node.counter('node_cpu_seconds_total{cpu="0",mode="user"}', 0.3)
    return stage.start()


def gremlins(make):
    stage = make(EXAMPLES / "gremlinsai" / "hypercare.yml")
    backend = stage.target("gremlinsai-backend:8000")
    backend.counter("gremlinsai_api_requests_total", 40)
    backend.counter("gremlinsai_api_errors_total", 0.2)
    backend.histogram("gremlinsai_api_request_duration_seconds", "", 40, 0.2)
    for provider in ("ollama", "openai"):
        bounds = (0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0)
        backend.histogram("gremlinsai_llm_response_duration_seconds", f'provider="{provider}"', 3, 1.0, bounds)
    backend.counter("gremlinsai_llm_requests_total", 6)
    backend.counter("gremlinsai_llm_fallbacks_total", 0.1)
    backend.counter("gremlinsai_llm_tokens_total", 900)
    backend.gauge("process_resident_memory_bytes", 0.8 * GIB)
    backend.counter("gremlinsai_database_connection_errors_total", 0)
    backend.gauge("gremlinsai_rag_relevance_score", 0.86, noise=0.01)
    backend.histogram("gremlinsai_rag_search_duration_seconds", "", 10, 0.1)
    backend.counter("gremlinsai_rag_cache_requests_total", 10)
    backend.counter("gremlinsai_rag_cache_hits_total", 8)
    stage.target("weaviate:2112").gauge("weaviate_up", 1)
    kube = stage.target("kube-state-metrics:8080")
    kube.counter('kube_pod_container_status_restarts_total{namespace="gremlinsai",pod="backend-0"}', 0)
    kube.gauge('kube_node_status_condition{node="n1",condition="Ready",status="true"}', 1)
    return stage.start()


# alert: (platform, target, what breaks it, what heals it); a step is (method, arguments of SimTarget) or up/down.
DOWN, UP = ("down",), ("up",)
RULES = {
    "ServiceDown": (orchestrator, "orchestrator-api:3000", DOWN, UP),
    "HighErrorRate": (
        orchestrator, "orchestrator-api:3000",
        ("counter", 'http_requests_total{code="500"}', 5), ("counter", 'http_requests_total{code="500"}', 0.1)),
    "DatabaseConnectionFailure": (
        orchestrator, "postgres-exporter:9187", ("gauge", "postgresql_up", 0), ("gauge", "postgresql_up", 1)),
    "HighResponseTime": (
        orchestrator, "orchestrator-api:3000",
        ("histogram", "http_request_duration_seconds", 'route="/v1/run"', 50, 2.0),
        ("histogram", "http_request_duration_seconds", 'route="/v1/run"', 50, 0.1)),
    "HighMemoryUsage": (
        orchestrator, "node-exporter:9100",
        ("gauge", "node_memory_MemAvailable_bytes", 1 * GIB), ("gauge", "node_memory_MemAvailable_bytes", 9 * GIB)),
    "DiskSpaceLow": (
        orchestrator, "node-exporter:9100",
        ("gauge", 'node_filesystem_avail_bytes{mountpoint="/"}', 15 * GIB),
        ("gauge", 'node_filesystem_avail_bytes{mountpoint="/"}', 60 * GIB)),
    "HighCpuUsage": (
        orchestrator, "node-exporter:9100",
        ("counter", 'node_cpu_seconds_total{cpu="0",mode="idle"}', 0.2),
        ("counter", 'node_cpu_seconds_total{cpu="0",mode="idle"}', 0.7)),
    "MemoryCapacity": (
        orchestrator, "node-exporter:9100",
        ("gauge", "node_memory_MemAvailable_bytes", 3.5 * GIB), ("gauge", "node_memory_MemAvailable_bytes", 9 * GIB)),
    "ConnectionPoolNearlyFull": (
        orchestrator, "postgres-exporter:9187",
        ("gauge", 'pg_stat_activity_count{state="active"}', 85), ("gauge", 'pg_stat_activity_count{state="active"}', 20)),
    "WorkflowFailures": (
        orchestrator, "orchestrator-worker:3001",
        ("counter", 'workflow_executions_total{status="failed"}', 0.4),
        ("counter", 'workflow_executions_total{status="failed"}', 0.02)),
    "AuthenticationFailures": (
        orchestrator, "orchestrator-api:3000",
        ("counter", 'auth_attempts_total{result="failure"}', 2), ("counter", 'auth_attempts_total{result="failure"}', 0.1)),
    "ExternalTimeouts": (
        orchestrator, "orchestrator-api:3000",
        ("counter", 'external_requests_total{service="mail",outcome="timeout"}', 1),
        ("counter", 'external_requests_total{service="mail",outcome="timeout"}', 0.05)),
    "HighApiErrorRate": (
        gremlins, "gremlinsai-backend:8000",
        ("counter", "gremlinsai_api_errors_total", 4), ("counter", "gremlinsai_api_errors_total", 0.2)),
    "HighLLMLatency": (
        gremlins, "gremlinsai-backend:8000",
        ("histogram", "gremlinsai_llm_response_duration_seconds", 'provider="ollama"', 3, 8.0),
        ("histogram", "gremlinsai_llm_response_duration_seconds", 'provider="ollama"', 3, 1.0)),
    "WeaviateDown": (gremlins, "weaviate:2112", DOWN, UP),
    "HighMemoryUsage (gremlins)": (
        gremlins, "gremlinsai-backend:8000",
        ("gauge", "process_resident_memory_bytes", 2.4 * GIB), ("gauge", "process_resident_memory_bytes", 0.8 * GIB)),
    "DatabaseConnectionFailure (gremlins)": (
        gremlins, "gremlinsai-backend:8000",
        ("counter", "gremlinsai_database_connection_errors_total", 0.5),
        ("counter", "gremlinsai_database_connection_errors_total", 0)),
    "PodCrashLooping": (
        gremlins, "kube-state-metrics:8080",
        ("counter", 'kube_pod_container_status_restarts_total{namespace="gremlinsai",pod="backend-0"}', 0.02),
        ("counter", 'kube_pod_container_status_restarts_total{namespace="gremlinsai",pod="backend-0"}', 0)),
    "KubernetesNodeNotReady": (
        gremlins, "kube-state-metrics:8080",
        ("gauge", 'kube_node_status_condition{node="n1",condition="Ready",status="true"}', 0),
        ("gauge", 'kube_node_status_condition{node="n1",condition="Ready",status="true"}', 1)),
    "HighApiLatency": (
        gremlins, "gremlinsai-backend:8000",
        ("histogram", "gremlinsai_api_request_duration_seconds", "", 40, 1.5),
        ("histogram", "gremlinsai_api_request_duration_seconds", "", 40, 0.2)),
    "LowRAGRelevanceScores": (
        gremlins, "gremlinsai-backend:8000",
        ("gauge", "gremlinsai_rag_relevance_score", 0.5), ("gauge", "gremlinsai_rag_relevance_score", 0.86)),
    "HighLLMFallbackRate": (
        gremlins, "gremlinsai-backend:8000",
        ("counter", "gremlinsai_llm_fallbacks_total", 2), ("counter", "gremlinsai_llm_fallbacks_total", 0.1)),
    "SlowVectorSearch": (
        gremlins, "gremlinsai-backend:8000",
        ("histogram", "gremlinsai_rag_search_duration_seconds", "", 10, 1.0),
        ("histogram", "gremlinsai_rag_search_duration_seconds", "", 10, 0.1)),
    "LowRAGCacheHitRate": (
        gremlins, "gremlinsai-backend:8000",
        ("counter", "gremlinsai_rag_cache_hits_total", 2), ("counter", "gremlinsai_rag_cache_hits_total", 8)),
    "HighTokenUsage": (
        gremlins, "gremlinsai-backend:8000",
        ("counter", "gremlinsai_llm_tokens_total", 20_000), ("counter", "gremlinsai_llm_tokens_total", 900)),
}  # fmt: skip


def do(target, step):
    if step in (UP, DOWN):
        target.up = step == UP
    else:
        getattr(target, step[0])(*step[1:])


@pytest.mark.parametrize("name", RULES)
def test_the_rule_fires_and_resolves(name, stage):
    platform, address, break_, heal = RULES[name]
    alert = name.split(" ")[0]
    house = platform(stage)
    house.sim.run_for(20 * MINUTE)
    assert house.errors() == {}
    assert house.states(alert) == set(), "it fires on a healthy platform"
    assert house.incidents() == ()

    do(house.target(address), break_)
    assert house.sim.run_until_true(lambda: house.firing(alert), within=3 * HOUR)
    house.sim.run_for(2 * MINUTE)
    severity = next(
        r.labels.get("severity") for g in house.app.rules.snapshot.groups for r in g.rules if r.name == alert
    )
    assert bool(house.incidents("open")) == (severity == "critical")

    do(house.target(address), heal)
    assert house.sim.run_until_true(lambda: not house.states(alert), within=3 * HOUR)
    house.sim.run_for(30 * MINUTE)
    assert house.incidents("unresolved") == ()
    assert house.errors() == {}


@pytest.mark.parametrize("platform", [orchestrator, gremlins])
def test_all_rules_have_a_scenario(platform, stage):
    house = platform(stage)
    rules = {r.name for g in house.app.rules.snapshot.groups if g.file != PLACE for r in g.rules}
    assert rules == {name.split(" ")[0] for name, (p, *_) in RULES.items() if p is platform}


@pytest.mark.parametrize("platform", [orchestrator, gremlins])
def test_the_example_has_nothing_that_is_not_acted_on(platform, stage):
    assert platform(stage).config.announcements == ()

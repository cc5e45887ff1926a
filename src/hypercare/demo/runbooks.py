"""The platform's runbooks, served beside the webhook receiver so that the links in alerts lead somewhere."""

from __future__ import annotations

RUNBOOKS: dict[str, str] = {
    "api-errors": """\
# The API answers with errors

1. Is another alert firing (database, vector search, a provider)? Then that is the cause: go to its runbook.
2. Which path fails? `sum by (path, code) (rate(http_requests_total{service="api-gateway",code=~"5.."}[1m]))`
3. Which dependency? `sum by (dependency) (rate(dependency_errors_total[1m]))`; nothing there: the gateway itself.
4. Read logs/api-gateway.log. Was there a deployment? Roll it back.

In the demo: `hypercare demo heal api-errors`
""",
    "llm-latency": """\
# A model answers slowly

1. Which provider? `provider:llm_request_duration_seconds:p95_30s`
2. Is it the wait for the first token (the provider is overloaded) or the pace after it?
   `histogram_quantile(0.95, sum by (provider, le) (rate(llm_time_to_first_token_seconds_bucket[1m])))`
3. Do the requests reach the other provider? `sum by (from, to, reason) (rate(llm_fallbacks_total[1m]))`
4. Look at the provider's status page. Lower the first provider's share, or send everything to the second one.

In the demo: `hypercare demo heal llm-latency`
""",
    "vector-search-down": """\
# Vector search is down

1. Does its process run? Read logs/vector-search.log.
2. Start it again; it builds its index within two seconds.
3. Meanwhile search fails, chat answers without sources, and workflows are tried again up to three times.

In the demo: `hypercare demo heal vector-down`
""",
    "database-down": """\
# PostgreSQL does not answer

1. Does the server run? Read logs/postgres.log. Is the disk full?
2. Start it. It recovers from its write-ahead log by itself.
3. Everything but search fails meanwhile. Workflows that were being run go back to the queue after a minute.

In the demo: `hypercare demo heal db-down`
""",
    "memory-leak": """\
# The workflow worker takes more and more memory

1. How fast? `deriv(process_resident_memory_bytes{job="workflow-worker"}[1m])`
2. Does it grow without traffic too? Then it is not the size of the workflows.
3. Restart the worker before the machine runs out of memory; nothing is lost, the queue is in the database.

In the demo: `hypercare demo heal memory-leak`
""",
    "queue-backlog": """\
# Workflows wait too long

1. Are the workers slow or do they fail? `rate(workflow_executions_total[1m])`, `rate(workflow_step_failures_total[1m])`
2. A slow model makes slow workflows: see llm-latency.
3. The queue empties by itself once the cause is gone.
""",
    "target-down": """\
# A process cannot be scraped

1. Does it run? Read its file in logs/.
2. Does its /healthz answer? Then the scrape itself is too slow: look at `scrape_duration_seconds`.
""",
}

"""An LLM provider: streams a text token by token at the pace of a model."""

from __future__ import annotations

import asyncio
import json
import random
import time

from aiohttp import web
from prometheus_client import Counter, Gauge, Histogram

from hypercare.demo import layout
from hypercare.demo.services import base
from hypercare.demo.text import MarkovModel, count_tokens

FIRST_TOKEN = 0.12
"""Seconds until the first token of an undisturbed answer, before jitter."""


class Provider:
    """One model behind a streaming endpoint (server-sent events, the shape hosted models use)."""

    def __init__(self, service: base.Service, model: str, tokens_per_second: float) -> None:
        self._service = service
        self._model_name = model
        self._pause = 1.0 / tokens_per_second
        self._markov = MarkovModel()
        self._chance = random.Random()
        registry = service.registry
        self._tokens = Counter("provider_tokens", "Tokens read and written.", ("model", "direction"), registry=registry)
        self._first = Histogram(
            "provider_time_to_first_token_seconds", "Wait for the first token.", ("model",),
            buckets=base.LATENCY_BUCKETS, registry=registry,
        )  # fmt: skip
        self._running = Gauge("provider_generations_active", "Answers being generated.", ("model",), registry=registry)
        service.app.router.add_post("/v1/completions", self._complete)

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        prompt, limit = str(body["prompt"]), min(int(body.get("max_tokens", 30)), 200)
        self._tokens.labels(self._model_name, "input").inc(count_tokens(prompt))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        with self._running.labels(self._model_name).track_inprogress():
            started = time.perf_counter()
            await asyncio.sleep(self._delay_before_first())
            await response.prepare(request)
            self._first.labels(self._model_name).observe(time.perf_counter() - started)
            await self._stream(response, prompt, limit)
        return response

    def _delay_before_first(self) -> float:
        delay = FIRST_TOKEN * self._chance.uniform(0.6, 1.6)
        slow = self._service.fault("latency")
        # Overload is uneven: some answers are merely late, others come far too late.
        return delay + slow * self._chance.uniform(0.5, 2.0) if slow else delay

    async def _stream(self, response: web.StreamResponse, prompt: str, limit: int) -> None:
        pause = self._pause * (2.5 if self._service.fault("latency") else 1.0)
        pair = self._markov.start(prompt, self._chance)
        words = self._tokens.labels(self._model_name, "output")
        length = self._chance.randint(limit // 2, limit)
        for _ in range(length):
            await response.write(b"data: " + json.dumps({"token": pair[1]}).encode() + b"\n\n")
            words.inc()
            pair = self._markov.step(pair, self._chance)
            await asyncio.sleep(pause * self._chance.uniform(0.5, 1.5))
        await response.write(b"data: [DONE]\n\n")
        await response.write_eof()


def main() -> None:
    """Serve."""
    parser = base.parser("LLM provider of the demo platform")
    parser.add_argument("--name", choices=layout.PROVIDERS, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--tokens-per-second", type=float, default=60.0)
    options = parser.parse_args()
    base.start_logging()
    service = base.Service(options.name, token=base.token(), faults={"latency": 10.0})
    Provider(service, options.model, options.tokens_per_second)
    service.serve(options.port)


if __name__ == "__main__":
    main()

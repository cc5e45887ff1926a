"""The LLM gateway: asks the first provider, and the next one when it is slow or fails; counts everything."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import time

import aiohttp
from aiohttp import web
from prometheus_client import Counter, Histogram

from hypercare.demo import layout
from hypercare.demo.services import base
from hypercare.demo.text import count_tokens

FIRST_TOKEN_TIMEOUT = 3.0
TOTAL_TIMEOUT = 8.0


@dataclasses.dataclass(frozen=True, slots=True)
class Provider:
    """Where a model is served."""

    name: str
    model: str
    url: str

    @classmethod
    def parse(cls, text: str) -> Provider:
        """Read ``name,model,url``.

        Raises:
            ValueError: there are not three parts.
        """
        name, model, url = text.split(",")
        return cls(name, model, url)


class ProviderFailedError(Exception):
    """A provider gave no whole answer; the text is the reason, a short word for a label."""


class LlmGateway:
    """Providers in order of preference."""

    def __init__(self, service: base.Service, providers: tuple[Provider, ...]) -> None:
        self._service = service
        self._providers = providers
        self._http = service.client(timeout=TOTAL_TIMEOUT)
        self._down: dict[str, str] = {}
        labels, registry = ("provider", "model"), service.registry
        self._seconds = Histogram(
            "llm_request_duration_seconds", "Time until a provider answered or was given up.", labels,
            buckets=base.LATENCY_BUCKETS, registry=registry,
        )  # fmt: skip
        self._first = Histogram(
            "llm_time_to_first_token_seconds", "Time until the first token.", labels, buckets=base.LATENCY_BUCKETS,
            registry=registry,
        )  # fmt: skip
        self._requests = Counter("llm_requests", "Requests by outcome.", (*labels, "status"), registry=registry)
        self._tokens = Counter("llm_tokens", "Tokens by direction.", (*labels, "direction"), registry=registry)
        self._fallbacks = Counter(
            "llm_fallbacks", "Requests handed to the next provider.", ("from", "to", "reason"), registry=registry
        )
        service.health(self._check)
        service.app.router.add_post("/v1/completions", self._complete)

    async def _check(self) -> None:
        if len(self._down) == len(self._providers):
            reasons = ", ".join(f"{name}: {reason}" for name, reason in self._down.items())
            msg = f"no provider answers ({reasons})"
            raise base.UnhealthyError(msg)

    async def _complete(self, request: web.Request) -> web.Response:
        body = await request.json()
        asked = {"prompt": str(body["prompt"]), "max_tokens": int(body.get("max_tokens", 30))}
        followers = (*self._providers[1:], None)
        for provider, following in zip(self._providers, followers, strict=True):
            try:
                text = await self._ask(provider, asked)
            except ProviderFailedError as error:
                self._down[provider.name] = str(error)
                self._service.log.warning("provider %s failed: %s", provider.name, error)
                if following is not None:
                    self._fallbacks.labels(**{"from": provider.name, "to": following.name, "reason": str(error)}).inc()
                continue
            self._down.pop(provider.name, None)
            return web.json_response({"text": text, "provider": provider.name, "model": provider.model})
        raise web.HTTPBadGateway(text='{"error": "no provider answered"}', content_type="application/json")

    async def _ask(self, provider: Provider, asked: dict[str, object]) -> str:
        started, status, words = time.perf_counter(), "error", list[str]()
        labels = (provider.name, provider.model)
        try:
            await self._read(provider, asked, words, started)
            status = "success"
        except TimeoutError as error:
            status = "timeout"
            raise ProviderFailedError("timeout") from error
        except aiohttp.ClientResponseError as error:
            reason = f"http_{error.status}"
            raise ProviderFailedError(reason) from error
        except (aiohttp.ClientError, ValueError, KeyError) as error:
            raise ProviderFailedError("error") from error
        finally:
            self._requests.labels(*labels, status).inc()
            self._seconds.labels(*labels).observe(time.perf_counter() - started)
            self._tokens.labels(*labels, "output").inc(len(words))
        self._tokens.labels(*labels, "input").inc(count_tokens(str(asked["prompt"])))
        return " ".join(words).replace(" .", ".")

    async def _read(self, provider: Provider, asked: dict[str, object], words: list[str], started: float) -> None:
        """Collect the streamed tokens; the first one has a limit of its own.

        Raises:
            TimeoutError: too slow.
            aiohttp.ClientError: no connection, an error status, or a broken stream.
        """
        async with (
            asyncio.timeout(FIRST_TOKEN_TIMEOUT) as limit,
            self._http().post(provider.url + "/v1/completions", json=asked) as response,
        ):
            response.raise_for_status()
            async for line in response.content:
                if not line.startswith(b"data: "):
                    continue
                if line.startswith(b"data: [DONE]"):
                    return
                if not words:
                    self._first.labels(provider.name, provider.model).observe(time.perf_counter() - started)
                    limit.reschedule(asyncio.get_running_loop().time() + TOTAL_TIMEOUT - FIRST_TOKEN_TIMEOUT)
                words.append(str(json.loads(line[6:])["token"]))
        raise aiohttp.ClientPayloadError("the stream ended before its end mark")


def main() -> None:
    """Serve."""
    parser = base.parser("LLM gateway of the demo platform")
    parser.add_argument("--provider", type=Provider.parse, action="append", required=True, help="name,model,url")
    options = parser.parse_args()
    base.start_logging()
    service = base.Service(layout.LLM, token=base.token())
    LlmGateway(service, tuple(options.provider))
    service.serve(options.port)


if __name__ == "__main__":
    main()

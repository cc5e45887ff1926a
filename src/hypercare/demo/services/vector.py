"""Vector search: cosine similarity over a few thousand hashed embeddings, all of them compared at each query."""

from __future__ import annotations

import itertools
import re
import zlib

import numpy as np
import numpy.typing as npt
from aiohttp import web
from prometheus_client import Gauge, Histogram

from hypercare.demo import layout
from hypercare.demo.services import base
from hypercare.demo.text import DOCUMENTS, corpus

DIMENSIONS = 256
_WORD = re.compile(r"[a-z0-9]+")
_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)

Vector = npt.NDArray[np.float32]


def embed(text: str) -> Vector:
    """The hashing trick: each word and each pair of neighbours adds ±1 to one of 256 places; length 1."""
    vector = np.zeros(DIMENSIONS, dtype=np.float32)
    words = _WORD.findall(text.lower())
    for feature in (*words, *map(" ".join, itertools.pairwise(words))):
        # crc32 and not hash(): Python's own changes with every process.
        code = zlib.crc32(feature.encode())
        vector[code % DIMENSIONS] += 1.0 if code & 0x10000 else -1.0
    length = float(np.linalg.norm(vector))
    return vector / np.float32(length) if length else vector


class Index:
    """Unit vectors of all documents, one row each."""

    def __init__(self, documents: list[tuple[int, str, str]]) -> None:
        self._ids = [number for number, _, _ in documents]
        self._titles = [title for _, title, _ in documents]
        self._rows = np.stack([embed(f"{title} {body}") for _, title, body in documents])

    def __len__(self) -> int:
        return len(self._ids)

    def nearest(self, text: str, k: int) -> list[dict[str, object]]:
        """The ``k`` most similar documents, best first."""
        scores = self._rows @ embed(text)
        k = max(1, min(k, len(self)))
        best = np.argpartition(scores, -k)[-k:]
        best = best[np.argsort(-scores[best], kind="stable")]
        return [{"id": self._ids[i], "title": self._titles[i], "score": round(float(scores[i]), 4)} for i in best]


class VectorSearch:
    """The index behind HTTP."""

    def __init__(self, service: base.Service, index: Index) -> None:
        self._index = index
        self._seconds = Histogram(
            "vector_search_duration_seconds", "Time to find the nearest documents.", buckets=_BUCKETS,
            registry=service.registry,
        )  # fmt: skip
        Gauge("vector_index_documents", "Documents in the index.", registry=service.registry).set(len(index))
        service.app.router.add_post("/search", self._search)

    async def _search(self, request: web.Request) -> web.Response:
        body = await request.json()
        with self._seconds.time():
            hits = self._index.nearest(str(body["text"]), int(body.get("k", 10)))
        return web.json_response({"hits": hits})


def main() -> None:
    """Serve."""
    options = base.parser("vector search of the demo platform").parse_args()
    base.start_logging()
    service = base.Service(layout.VECTOR, token=base.token())
    VectorSearch(service, Index(corpus(DOCUMENTS)))
    service.serve(options.port)


if __name__ == "__main__":
    main()

"""A small language model that really generates: a Markov chain of word pairs over our own sentences.

It stands for a large model in everything an operator sees: it produces text one token after the other, takes its
time for each, and its output depends on the prompt. It also writes the documents that vector search indexes.
"""

from __future__ import annotations

import random
import re

_SEED = """
The gateway checks the quota of the caller before it sends the request to the model. A request that waits longer than
three seconds for its first token is sent to the second provider. The second provider answers faster but its answers
are shorter. Every workflow step writes its result before the next step begins. A step that fails is tried again after a
short pause. The queue holds the workflows that nobody has claimed yet. When the queue grows the workers are too slow or
the model is too slow. The worker claims one workflow at a time and locks its row. A locked row is skipped by the other
workers. The vector index keeps one unit vector for each document. Search compares the vector of the question with all
documents and keeps the nearest ones. The nearest documents give the model the context for its answer. The answer names
the documents it was made from. A good answer is short and names its sources. The database keeps the documents and the
workflows. When the database stops the gateway refuses every request that needs it. When search stops the answers lose
their context. The first thing to check after an alert is the last deployment. The second thing to check is the
provider of the model. A slow provider shows first in the time to the first token. A leak shows as memory that grows
while the traffic stays the same. The error budget of the month is spent by failed requests. A team that spends its
budget early stops shipping features. The person on call acknowledges the page and opens the runbook. The runbook says
what to look at and what to restart. After the incident the team writes down what happened and what it will change. The
customer asks for the status of an order and the assistant looks up the order. The assistant reads the contract and
lists the dates that matter. The report of the week counts the requests and the tokens of every team. The cost of a
request depends on the tokens of the prompt and the tokens of the answer. A long prompt costs more than a long answer.
The cache keeps the answers to the questions that come back often. The model reads the context and writes the answer one
token at a time. The stream of tokens reaches the customer while the model still writes. The invoice arrives by mail
and the workflow extracts the amount and the date. The amount is compared with the order and a difference goes to a
person. The person decides and the workflow goes on. The summary of a meeting lists the decisions and the people who act
on them. The translation keeps the names of the products as they are. The classifier sorts the tickets by topic and by
urgency. An urgent ticket reaches a person within a minute. The backup runs at night and the restore is rehearsed every
quarter. The index is rebuilt when a tenth of the documents has changed. The new index replaces the old one in one
step. The release goes to one region first and to the others after a day of watching.
"""

DOCUMENTS = 3000
"""How many documents the platform has."""

TOPICS = (
    "gateway quota",
    "vector index",
    "workflow queue",
    "provider latency",
    "error budget",
    "incident runbook",
    "invoice amount",
    "meeting summary",
    "ticket classifier",
    "nightly backup",
    "order status",
    "token cost",
)
"""What documents and questions are about."""

_WORD = re.compile(r"[a-z]+")


class MarkovModel:
    """Word pairs → the words that followed them."""

    def __init__(self, text: str = _SEED) -> None:
        tokens = re.findall(r"[A-Za-z]+|\.", text)
        self._next: dict[tuple[str, str], list[str]] = {}
        self._starts: dict[str, list[tuple[str, str]]] = {}
        for first, second, third in zip(tokens, tokens[1:], tokens[2:], strict=False):
            self._next.setdefault((first, second), []).append(third)
            for word in (first.lower(), second.lower()):
                self._starts.setdefault(word, []).append((first, second))
        self._pairs = [pair for pair in self._next if pair[0][0].isupper()]

    def start(self, prompt: str, chance: random.Random) -> tuple[str, str]:
        """A pair to begin with: one that has a word of the prompt, where the chain knows any."""
        known = [word for word in _WORD.findall(prompt.lower()) if len(word) > 3 and word in self._starts]
        if not known:
            return chance.choice(self._pairs)
        return chance.choice(self._starts[chance.choice(known)])

    def step(self, pair: tuple[str, str], chance: random.Random) -> tuple[str, str]:
        """The pair after this one; a dead end begins a new sentence."""
        following = self._next.get(pair)
        if following is None:
            return chance.choice(self._pairs)
        return pair[1], chance.choice(following)

    def text(self, prompt: str, tokens: int, chance: random.Random) -> str:
        """A whole text at once."""
        pair = self.start(prompt, chance)
        words = list(pair)
        while len(words) < tokens:
            pair = self.step(pair, chance)
            words.append(pair[1])
        return " ".join(words).replace(" .", ".")


def corpus(documents: int, seed: int = 7) -> list[tuple[int, str, str]]:
    """The platform's documents as (id, title, body): the same ones at every start."""
    model, chance = MarkovModel(), random.Random(seed)
    made: list[tuple[int, str, str]] = []
    for number in range(1, documents + 1):
        topic = TOPICS[number % len(TOPICS)]
        made.append((number, f"{topic.capitalize()} {number}", model.text(topic, 40, chance)))
    return made


def count_tokens(text: str) -> int:
    """Words and full stops, which is what this model's tokens are."""
    return len(re.findall(r"[A-Za-z]+|\.", text))

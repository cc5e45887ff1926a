"""Ways to reach people: one folder a channel; ``registry`` lists them, ``dispatcher`` performs the outbox's effects."""

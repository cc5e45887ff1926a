"""A small real AI platform to watch: separate processes, a real PostgreSQL, real traffic, real faults.

Nothing here imports the rest of hypercare: the platform stands beside it and is watched from outside.
``layout`` names the processes, ``platform`` starts and stops them, ``services`` are the processes themselves,
``faults`` breaks and heals them from any terminal, ``config`` writes what hypercare needs to watch them, and ``run``
is the whole demonstration.
"""

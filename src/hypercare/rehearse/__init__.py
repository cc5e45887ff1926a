"""Rules before they are trusted: checked, held against written expectations, and run over history.

``hypercare rules check`` is ``rule_files.py`` and ``lint.py``; ``rules test`` starts at ``unit_run.py``,
``rules backtest`` at ``backtest.py``. Whatever evaluates here are the rule objects, the routing and the on-call plan of
the server; only time and data come from elsewhere.
"""

"""Whole stories under the virtual clock: a scenario file is read, run by the production App, told and judged.

``reading`` checks the file against the configuration it rehearses, ``stage`` sets up world and App, ``people`` answer,
``expectations`` compare the event log with what was to happen, ``telling`` makes sentences of it.
"""

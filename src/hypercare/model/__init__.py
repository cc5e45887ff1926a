"""The words of the house as frozen data: labels, matchers, durations, samples, alerts, severities, decisions, events.

Imports nothing of ours; every other room imports from here.
"""

"""Incidents: opened by alerts, told by a timeline, closed when the alerts are over or by a person."""

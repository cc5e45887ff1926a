"""What was recorded elsewhere, read piece by piece: CSV, OpenMetrics text, a folder of ours, a server.

``reading`` opens what a scenario's ``replay`` names; ``feed`` gives the samples to the App at their times.
"""

"""Deployments: watched in phases, judged against limits and a baseline, concluded, acted upon."""

"""HTTP interfaces: Prometheus, Alertmanager, our own."""

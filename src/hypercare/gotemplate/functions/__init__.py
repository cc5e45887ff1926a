"""What templates may call: Go's built-in functions, Prometheus' and Alertmanager's."""

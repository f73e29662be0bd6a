"""What `/metrics` answers: figures in the text form of Prometheus. Only this package knows prometheus_client."""

"""The figures of `/metrics` in the text form of Prometheus. Only this package imports prometheus_client."""

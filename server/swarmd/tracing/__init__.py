"""Traces of attempts for OpenTelemetry, made from the event feed. No other package of the server uses its SDK."""

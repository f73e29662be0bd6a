"""Traces of attempts for OpenTelemetry: a reader of the event feed. Only this package knows its SDK in the server."""

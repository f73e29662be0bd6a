"""Probes that run before the worker registers, so that it claims no task that it can only fail."""

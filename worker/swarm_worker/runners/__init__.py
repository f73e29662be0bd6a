"""Backends that run sessions: one module a backend, their interface in `base`."""

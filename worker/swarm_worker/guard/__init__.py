"""Runs inside guard processes. Invariant: only the standard library is imported here."""

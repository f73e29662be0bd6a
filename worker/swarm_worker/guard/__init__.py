"""Code of guard processes. Invariant: only the standard library is imported here."""

"""Parses what sessions print."""

"""Parsers of session output: lines, events of agents, final JSON replies."""

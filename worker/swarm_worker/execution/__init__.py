"""Execution of attempts: slots, builder, checks, validator."""

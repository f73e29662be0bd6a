"""Attempts: their leases, sessions, outcomes and kills."""

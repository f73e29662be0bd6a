"""Attempts: their leases, sessions and outcomes, and the control of the swarm."""

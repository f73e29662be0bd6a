"""The values and rules of a swarm. Invariant: no I/O, no clock, no database."""

"""The server: it alone owns the state of a swarm."""

"""What a swarm is and may do: values and rules, with no I/O, no clock and no database."""

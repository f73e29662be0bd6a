"""Tasks: transitions, plans, retries, late results."""

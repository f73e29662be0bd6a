"""Read-only reports: overview, explain, logs of sessions."""

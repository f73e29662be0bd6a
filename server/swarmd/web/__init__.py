"""The HTTP interface: JSON routes, the dashboard's files and its live feed. Reads and acts through the engine."""

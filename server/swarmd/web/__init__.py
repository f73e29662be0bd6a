"""The HTTP face: JSON for programs, the dashboard's files, its live feed. Reads and acts through the engine."""

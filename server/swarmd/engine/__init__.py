"""The use cases: read, advance, write with its event, and only then publish."""

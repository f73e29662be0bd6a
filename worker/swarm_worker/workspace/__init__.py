"""What changed in the project."""

"""The changes that an attempt makes in the project."""

"""Task files: YAML in, YAML out, and every fault by its line."""

"""One attempt: slots, builder, checks, validator."""

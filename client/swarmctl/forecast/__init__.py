"""The forecast of a plan, before it costs anything, and its comparison with what came of it."""

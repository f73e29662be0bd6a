"""Values of the worker, without I/O."""

"""What drives sessions: one module a backend, one interface in `base`."""

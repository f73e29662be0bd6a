"""The checks of `swarmctl doctor`."""

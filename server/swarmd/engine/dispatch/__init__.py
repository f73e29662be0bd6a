"""Dispatch: ready tasks are assigned to workers with free slots."""

"""Sandboxes of sessions: what this machine can make, what a session sees of it, and how it is started in one."""

"""The state folder, and what must survive a crash."""

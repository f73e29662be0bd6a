"""The state folder, and the files that must survive a crash."""

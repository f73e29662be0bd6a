"""State in memory only: connected workers, their mailboxes, timers and wakeups."""

"""The deadlines of calls to swarmd, in seconds."""

from typing import Final

# Longer than any answer takes, and shorter than a person waits before it looks like a hang.
DEADLINE_S: Final = 10.0
# The server checks and stores a whole plan before it answers.
IMPORT_DEADLINE_S: Final = 300.0
# A shell completion that hangs is worse than no offer.
COMPLETION_DEADLINE_S: Final = 1.0

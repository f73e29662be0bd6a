"""Why a database can't be opened: what is wrong with it, and what to do."""


class DatabaseUnusable(Exception):
    """The file can't serve; the message is one line for people."""


class DatabaseHeld(DatabaseUnusable):
    """Another swarmd has the file open."""

"""The errors of opening a database: each message says what is wrong and what to do."""


class DatabaseUnusable(Exception):
    """The file can't be used as a database; the message is one line for people."""


class DatabaseHeld(DatabaseUnusable):
    """Another swarmd has the file open."""

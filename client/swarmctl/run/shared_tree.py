"""The warning about builders that work at once in one git work tree."""

from pathlib import Path

from swarmctl.console import print_err


def warn_of_shared_tree(project_root: Path, *, at_once: int) -> None:
    """Warns if several builders would commit in one work tree at the same time."""
    folder = project_root.absolute()
    if at_once < 2 or not any((above / ".git").exists() for above in (folder, *folder.parents)):
        return
    print_err(
        f"swarmctl: warning: {at_once} builders at once share one git work tree; commits of one can take in files of"
        " another, or fail at its locks. Pass --workspace clone"
    )

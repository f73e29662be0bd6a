"""The program by its folder: a sandbox shows the folder alone, and its Python may know no installed package."""

import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent)

from swarm_session.main import main  # noqa: E402  # the line above makes the package known

if __name__ == "__main__":
    main()

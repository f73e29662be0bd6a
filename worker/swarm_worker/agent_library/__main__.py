"""Starts the program from its file: `PYTHON …/agent_library/__main__.py run …`.

Invariant: no folder of ours and no folder of the project is on the module path, so that neither hides a module of the
library. The text below is valid in every Python 3: an old interpreter gets an answer instead of a syntax error.
"""

import importlib
import importlib.util
import json
import os
import sys

PACKAGE = "swarm_agent_library"
OLDEST = (3, 11)


def _main() -> None:
    folder = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120
    sys.path[:] = [
        entry
        for entry in sys.path
        if entry and os.path.abspath(entry) != folder  # noqa: PTH100
    ]
    if sys.version_info < OLDEST:
        found = ".".join(map(str, sys.version_info[:3]))
        print(json.dumps({"python": found, "missing": "Python " + found + " is too old"}))  # noqa: T201
        sys.exit(2)
    start = os.path.join(folder, "__init__.py")  # noqa: PTH118
    spec = importlib.util.spec_from_file_location(PACKAGE, start, submodule_search_locations=[folder])
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = package
    spec.loader.exec_module(package)
    importlib.import_module(PACKAGE + ".cli").main()


if __name__ == "__main__":
    _main()

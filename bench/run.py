"""`make bench`: measures the swarm on this machine, prints one table and writes it to bench/results/.

Times differ from machine to machine and from hour to hour; what can be compared are the ratios, both sides of
which were measured in the same run.
"""

import datetime as dt
import json
import os
import platform
from dataclasses import asdict
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Runs every case."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    import handover  # noqa: PLC0415  # after the variable above
    import order  # noqa: PLC0415
    import sizes  # noqa: PLC0415

    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}"
    print(f"machine: {machine}")
    figures = []
    for case in (handover.figures, sizes.figures, order.figures):
        for figure in case():
            print(f"  {figure.name:<52} {figure.value:<44} {figure.note}", flush=True)
            figures.append(asdict(figure))
    RESULTS.mkdir(exist_ok=True)
    now = dt.datetime.now(dt.UTC)
    target = RESULTS / f"{now:%Y%m%d-%H%M%S}.json"
    target.write_text(json.dumps({"machine": machine, "at": now.isoformat(), "figures": figures}, indent=2))
    print(f"written to {target}")


if __name__ == "__main__":
    main()

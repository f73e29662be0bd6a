"""`make soak` runs the long form of every proof, and says which one failed."""

import re
import subprocess
import sys

from contract.repository import ROOT

SOAK = ROOT / "scripts" / "soak.py"


def test_every_suite_that_can_run_for_long_has_a_line_in_the_soak() -> None:
    lines = re.findall(r'Proof\("\w+", "(\w+)\.run"', SOAK.read_text())

    assert set(lines) == {path.parent.name for path in (ROOT / "tests").glob("*/run.py")}


def test_a_proof_that_there_is_not_is_refused_with_the_names_of_those_there_are() -> None:
    done = subprocess.run([sys.executable, SOAK, "powder"], capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "there is no powder; there are power, " in done.stderr

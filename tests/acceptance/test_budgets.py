"""Caps of cost over real processes: a builder that spends 0.30 dollars a second is ended, held, and goes on."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from support.programs import QUICK, Stage, stage
from support.waiting import until

# Spends 0.03 dollars ten times a second, and notes each of them in a ledger before it reports it.
SPENDS = r"""#!/bin/sh
cat > /dev/null
if [ -e "$LEDGER.done" ]; then
  echo '{"method": "usage", "params": {"inputTokens": 10, "outputTokens": 1, "cost": "0.01"}}' >&2
  echo '{"status": "completed"}'
  exit 0
fi
while :; do
  echo 0.03 >> "$LEDGER"
  echo '{"method": "usage", "params": {"inputTokens": 10, "outputTokens": 1, "cost": "0.03"}}' >&2
  sleep 0.1
done
"""
RATE = Decimal("0.30")  # dollars a second and slot
HEARTBEAT_S = Decimal("0.2")
SLOTS = 3
pytestmark = pytest.mark.slow


def _program(where: Path, name: str, text: str) -> str:
    path = where / name
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def _ledger(where: Path) -> Decimal:
    lines = (where / "ledger").read_text().split() if (where / "ledger").exists() else []
    return sum(map(Decimal, lines), Decimal(0))


def _plan(where: Path, cap: str) -> None:
    tasks = ", ".join(f"{{id: t{n}, max_cost: {cap}, max_retries: 0}}" for n in range(SLOTS))
    (where / "plan.yaml").write_text(f"tasks: [{tasks}]")


def _swarm(found: Stage, where: Path) -> None:
    builder = _program(where, "builder", SPENDS.replace("$LEDGER", str(where / "ledger")))
    validator = _program(where, "validator", '#!/bin/sh\necho \'{"verdict": "PASS"}\'\n')
    flags = ("--runner", "command", "--builder-command", builder, "--validator-command", validator)
    found.worker("w1", *flags, "--slots", str(SLOTS)).ready()


def _shown(found: Stage, number: int) -> dict[str, object]:
    shown: dict[str, object] = json.loads(found.ctl("show", f"t{number}", "-o", "json").stdout)
    return shown


def _agrees_with_the_ledger(where: Path, spent: Decimal) -> None:
    """Each builder may be ended between its line in the ledger and its report."""
    unreported = _ledger(where) - spent
    assert 0 <= unreported <= SLOTS * Decimal("0.03"), "what the ledger has is counted once, and nothing else"


def test_a_builder_that_spends_without_end_is_held_just_above_its_cap(tmp_path: Path) -> None:
    _plan(tmp_path, "0.60")
    with stage(tmp_path) as found:
        server = found.swarmd(*QUICK)
        server.ready()
        found.ctl("import", str(tmp_path / "plan.yaml"))
        _swarm(found, tmp_path)
        until(lambda: _ledger(tmp_path) > Decimal("0.30"), what="builders that spend")
        server.kill()  # their usage is reported when it is back
        found.swarmd(*QUICK).ready()
        for number in range(SLOTS):
            found.until_status(f"t{number}", "held")

        spent = Decimal(0)
        for number in range(SLOTS):
            task = _shown(found, number)
            cost = Decimal(str(task["usage"]["cost"]))  # type: ignore[index]
            spent += cost
            over = cost - Decimal("0.60")
            print(f"t{number}: spent {cost}, {over} above its cap")  # noqa: T201  # the figure of the run
            assert task["hold"]["kind"] == "budget"  # type: ignore[index]
            assert str(task["hold"]["text"]).startswith("cap 0.60, spent 0.")  # type: ignore[index]
            assert over > 0
        _agrees_with_the_ledger(tmp_path, spent)
        inbox = json.loads(found.ctl("inbox", "-o", "json").stdout)
        assert inbox["held"] == SLOTS
        assert "swarmctl budget t0 --add DOLLARS" in found.ctl("inbox").stdout

        (tmp_path / "ledger.done").touch()
        found.ctl("budget", "t0", "--add", "2")

        found.until_status("t0", "held", "completed")
        done = _shown(found, 0)
        assert (done["status"], done["attempt"], done["max_cost"]) == ("completed", 2, "2.60")


def test_the_cap_is_passed_by_no_more_than_is_stated(tmp_path: Path) -> None:
    _plan(tmp_path, "0.60")
    with stage(tmp_path) as found:
        found.swarmd(*QUICK).ready()
        found.ctl("import", str(tmp_path / "plan.yaml"))
        _swarm(found, tmp_path)
        for number in range(SLOTS):
            found.until_status(f"t{number}", "held")

        over = [
            Decimal(str(_shown(found, n)["usage"]["cost"])) - Decimal("0.60")  # type: ignore[index]
            for n in range(SLOTS)
        ]

    # What a slot spends in a heartbeat, while its report is on its way (0.3 s), and until its process is gone.
    room_s = HEARTBEAT_S + Decimal("0.3") + Decimal("1.5")
    print(f"above the cap by {max(over)} at most; allowed {RATE * room_s}")  # noqa: T201  # the figure of the run
    assert max(over) <= RATE * room_s
    _agrees_with_the_ledger(tmp_path, sum(over, SLOTS * Decimal("0.60")))


def test_a_cap_that_the_program_makes_vain_holds_the_task(tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text("tasks: [{id: a, max_cost: 5}]")
    mute = _program(tmp_path, "mute", '#!/bin/sh\ncat > /dev/null\necho \'{"status": "completed"}\'\n')
    with stage(tmp_path) as found:
        found.swarmd(*QUICK).ready()
        found.ctl("import", str(tmp_path / "plan.yaml"))
        found.worker(
            "w1", "--runner", "command", "--builder-command", mute, "--validator-command", mute
        ).ready()
        found.until_status("a", "held", "completed", "failed")

        shown = json.loads(found.ctl("show", "a", "-o", "json").stdout)
        assert shown["hold"]["text"] == (
            "max_cost can't be enforced: runner command reports no usage; remove the cap"
        )
        assert [session["role"] for session in shown["attempts"][0]["sessions"]] == ["builder"]

        (tmp_path / "plan.yaml").write_text("tasks: [{id: a, validate: false}]")
        found.ctl("import", str(tmp_path / "plan.yaml"))
        found.ctl("retry", "a")
        found.until_status("a", "completed", "held", "failed")
        assert json.loads(found.ctl("show", "a", "-o", "json").stdout)["status"] == "completed"

"""The files of deploy/ fit the programs: alert rules, the Grafana dashboard, systemd's units."""

import json
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from contract.repository import ROOT, pyproject
from support.figures import documented
from support.prometheus import HINT, MISSING

DEPLOY = ROOT / "deploy"
PROMETHEUS = DEPLOY / "prometheus"
DASHBOARD = DEPLOY / "grafana" / "swarm.json"
UNITS = sorted((DEPLOY / "systemd").iterdir())
PROMTOOL, ANALYZE = shutil.which("promtool"), shutil.which("systemd-analyze")

needs_promtool = pytest.mark.skipif(not PROMTOOL, reason=f"{MISSING} {HINT}")


def run(*argv: object, cwd: Path = PROMETHEUS) -> str:
    done = subprocess.run([*map(str, argv)], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_images_are_made_of_what_the_repository_has() -> None:
    text = (DEPLOY / "container" / "Containerfile").read_text()
    extras = {name for group in re.findall(r"install.sh (\S+)", text) for name in group.split(",")}
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    linked = set(re.findall(r"/opt/swarm/bin/(swarm\S+)", text.replace('"', " ")))

    assert extras <= set(pyproject()["project"]["optional-dependencies"])
    assert all((ROOT / name).exists() for name in allowed)
    assert {
        Path(package).parts[0]
        for package in pyproject()["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    } <= set(allowed)
    assert linked == set(pyproject()["project"]["scripts"])
    assert all(
        line.startswith("[") for line in re.findall(r"^(?:ENTRYPOINT|CMD) (.*)", text, re.MULTILINE)
    ), "no shell"


@needs_promtool
def test_the_rules_raise_what_they_should_and_nothing_else() -> None:
    run(PROMTOOL, "check", "rules", "rules.yml")

    assert "SUCCESS" in run(PROMTOOL, "test", "rules", "rules_test.yml")


@needs_promtool
def test_the_scrape_config_is_one(tmp_path: Path) -> None:
    shutil.copytree(PROMETHEUS, tmp_path, dirs_exist_ok=True)
    (tmp_path / "swarm.token").write_text("x")

    run(PROMTOOL, "check", "config", "prometheus.yml", cwd=tmp_path)


def test_every_alert_is_tested_and_says_what_to_do() -> None:
    [group] = yaml.safe_load((PROMETHEUS / "rules.yml").read_text())["groups"]
    tested = (PROMETHEUS / "rules_test.yml").read_text()
    page = (ROOT / "docs" / "operations.md").read_text()

    for rule in group["rules"]:
        assert f'alertname="{rule["alert"]}"' in tested
        assert f"| `{rule['alert']}` |" in page
        assert rule["annotations"].keys() == {"summary", "action"}
        assert rule["labels"]["severity"] in ("critical", "warning")


@pytest.mark.parametrize("file", [PROMETHEUS / "rules.yml", DASHBOARD], ids=lambda file: file.name)
def test_only_metrics_that_exist_are_asked_for(file: Path) -> None:
    known = documented()
    asked = set(re.findall(r"\bswarm_[a-z_]+", file.read_text()))

    for name in asked:
        plain = re.sub(r"_(bucket|sum|count)$", "", name)
        assert name in known or known.get(plain, ("",))[0] == "histogram", name


def test_every_metric_is_on_the_dashboard() -> None:
    left_out = {"swarm_build_info", "swarm_start_time_seconds", "swarm_emergency_stops_total", "swarm_sessions_total",
                "swarm_expiry_paused", "swarm_paused_runners"}  # fmt: skip

    assert {name for name in documented() if name not in DASHBOARD.read_text()} <= left_out


def test_the_dashboard_is_what_its_script_makes() -> None:
    made = runpy.run_path(str(ROOT / "scripts" / "grafana.py"))["text"]()

    assert DASHBOARD.read_text() == made, "run `make grafana` and commit what it changes"


def test_the_dashboard_has_no_two_panels_in_one_place() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    places = [
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in panels
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    ]

    assert len(places) == len(set(places))
    assert max(x for x, _ in places) < 24
    assert len({panel["id"] for panel in panels}) == len(panels)


@pytest.mark.skipif(not ANALYZE, reason="systemd-analyze is not here: install systemd")
def test_the_units_are_sound(tmp_path: Path) -> None:
    programs = Path(sys.executable).parent
    for unit in UNITS:
        text = unit.read_text().replace("/usr/local/bin/", f"{programs}/")
        (tmp_path / unit.name.replace("@", "@a")).write_text(text)

    said = run(ANALYZE, "verify", *sorted(tmp_path.iterdir()), cwd=tmp_path)

    assert said == ""


@pytest.mark.parametrize("program", ["swarmd", "swarm-worker"])
def test_the_units_use_flags_and_variables_that_exist(program: str) -> None:
    text = "\n".join(unit.read_text() for unit in UNITS)
    [line] = re.findall(rf"^ExecStart=\S+/{program} (.*)$", text, re.MULTILINE)
    shown = subprocess.run(
        [Path(sys.executable).parent / program, "--help"], capture_output=True, text=True, check=True
    ).stdout

    for flag in re.findall(r"--[\w-]+", line):
        assert flag in shown
    for variable in re.findall(rf"\b{program.replace('-', '_').upper()}_\w+", text):
        assert f"[${variable}]" in shown

"""The installed package holds what the tree holds, on every Python that pyproject.toml promises."""

import ast
import importlib
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from amplifier_swarm import __version__
from contract.repository import PACKAGES, ROOT, files, place, pyproject

LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-k8s.lock", "requirements-protoc.lock")
PROGRAMS = ("swarmd", "swarm-worker", "swarmctl", "swarm-operator", "swarm-session")
# Names that a stranger's project may well use: installing ours must not take them.
GENERIC = ("bench", "client", "protos", "scripts", "server", "tests", "worker", "contract")


def build(kind: str, source: Path, target: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(target)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    [made] = target.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return made


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as an index would get it: built from the unpacked sdist, not from the tree."""
    folder = tmp_path_factory.mktemp("dist")
    with tarfile.open(build("sdist", ROOT, folder / "sdist")) as sdist:
        sdist.extractall(folder / "source", filter="data")
    [source] = (folder / "source").iterdir()
    return build("wheel", source, folder / "wheel")


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel; what it depends on is borrowed from ours."""
    home = tmp_path_factory.mktemp("installed")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(home / "bin" / "python"), "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--no-index", str(wheel)], check=True, capture_output=True)
    [here] = (home / "lib").glob("python*/site-packages")
    ours = Path(pytest.__file__).parent.parent
    # A path line adds the folder alone: the editable install, a .pth file in it, is not followed.
    (here / "borrowed.pth").write_text(f"{ours}\n")
    return home


def run_outside(python: Path | str, code: str, folder: Path) -> str:
    """Runs the code outside the repository and returns its output."""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [python, "-c", code], cwd=folder, env=clean, check=True, capture_output=True, text=True
    )
    return done.stdout


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_the_packages_and_nothing_else(wheel: Path) -> None:
    expected = {
        path.relative_to(root).as_posix()
        for package, root in PACKAGES.items()
        for path in files(str(root / package))
    }

    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}

    assert held == expected


@pytest.mark.slow
def test_the_wheel_holds_what_is_not_python(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()

    assert {f"{package}/py.typed" for package in PACKAGES} <= set(names)
    assert any(name.endswith(".proto") for name in names)
    assert "swarmd/store/queries.sql" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS)
def test_the_installed_program_tells_its_version(installed: Path, program: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [installed / "bin" / program, "--version"], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{program} {__version__}\n"


@pytest.mark.slow
def test_the_installed_packages_are_the_wheels_own(installed: Path, tmp_path: Path) -> None:
    code = f"import {', '.join(PACKAGES)}; print({', '.join(f'{name}.__file__' for name in PACKAGES)}, sep='\\n')"

    places = run_outside(installed / "bin" / "python", code, tmp_path).split()

    assert all(Path(found).is_relative_to(installed) for found in places)


def test_no_generic_name_can_be_imported_outside_the_repository(tmp_path: Path) -> None:
    code = f"""if True:
        from importlib.util import find_spec
        print([name for name in {GENERIC} if find_spec(name)])
        print([name for name in {tuple(PACKAGES)} if not find_spec(name)])
    """

    assert run_outside(sys.executable, code, tmp_path) == "[]\n[]\n"


@pytest.mark.parametrize("package", PACKAGES)
def test_a_source_root_holds_its_packages_and_nothing_else(package: str) -> None:
    root = PACKAGES[package]

    python = {path.relative_to(root).parts[0] for path in files(str(root)) if path.suffix == ".py"}
    assert python == {name for name, place in PACKAGES.items() if place == root}


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_starts_at_a_function(program: str) -> None:
    module, _, function = pyproject()["project"]["scripts"][program].partition(":")

    assert callable(getattr(importlib.import_module(module), function))


def floors() -> dict[str, Version]:
    """The oldest version of each runtime dependency that pyproject.toml allows."""
    needed = map(Requirement, pyproject()["project"]["dependencies"])
    return {
        need.name: Version(clause.version)
        for need in needed
        for clause in need.specifier
        if clause.operator == ">="
    }


def test_the_floors_are_those_of_the_generated_code() -> None:
    """Generated code refuses to be imported beside a grpcio or a protobuf older than its generator's."""
    code = "".join(
        path.read_text() for path in files("protos") if path.name.endswith(("_pb2.py", "_pb2_grpc.py"))
    )
    grpcio = {Version(found) for found in re.findall(r"GRPC_GENERATED_VERSION = '(.+)'", code)}
    protobuf = {Version(found) for found in re.findall(r"# Protobuf Python Version: (.+)", code)}

    assert [floors()["grpcio"]] == list(grpcio)
    assert [floors()["protobuf"]] == list(protobuf)


@pytest.mark.parametrize("name", ["grpcio-health-checking", "grpcio-reflection", "grpcio-status"])
def test_the_grpcio_family_has_one_floor(name: str) -> None:
    assert floors()[name] == floors()["grpcio"]


def locked(name: str) -> dict[str, set[Version]]:
    """The pinned versions of each package: of some, one for each range of Pythons."""
    pins: dict[str, set[Version]] = {}
    for package, version in re.findall(r"^([\w.-]+)==([\w.]+)", (ROOT / name).read_text(), re.MULTILINE):
        pins.setdefault(canonicalize_name(package), set()).add(Version(version))
    return pins


def declared() -> list[Requirement]:
    """Every requirement in pyproject.toml, of whatever kind."""
    content = pyproject()
    project = content["project"]
    lists = [
        content["build-system"]["requires"],
        project["dependencies"],
        *project["optional-dependencies"].values(),
        *content["dependency-groups"].values(),
    ]
    return [Requirement(text) for group in lists for text in group]


@pytest.mark.parametrize("need", declared(), ids=str)
def test_the_lock_fits_pyproject(need: Requirement) -> None:
    """If it does not: `make lock`."""
    pins = locked("requirements-k8s.lock") | locked("requirements-dev.lock")

    assert all(need.specifier.contains(version) for version in pins[canonicalize_name(need.name)])


@pytest.mark.parametrize("need", declared(), ids=str)
def test_every_requirement_has_a_floor(need: Requirement) -> None:
    assert any(clause.operator == ">=" for clause in need.specifier)


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_pins_by_hash_and_names_no_place(name: str) -> None:
    text = (ROOT / name).read_text()
    entries = text.replace("\\\n", "").splitlines()

    assert len(entries) == sum(map(len, locked(name).values())) > 0
    assert all("--hash=sha256:" in entry for entry in entries)
    assert not re.search(r"://|file:|#|^-|@", text, re.MULTILINE)


def test_the_images_get_every_requirement_of_the_package() -> None:
    """If they do not: `make lock`."""
    project = pyproject()["project"]
    lists = [project["dependencies"], *project["optional-dependencies"].values()]
    needed = {canonicalize_name(Requirement(text).name) for group in lists for text in group}

    assert needed <= locked("requirements.lock").keys()


def test_the_images_get_the_versions_that_the_tests_run_with() -> None:
    tested = locked("requirements-dev.lock")

    assert {name: tested.get(name) for name in locked("requirements.lock")} == locked("requirements.lock")


def load_setup() -> ModuleType:
    spec = importlib.util.spec_from_file_location("setup_script", ROOT / "scripts" / "setup.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_an_old_python_can_read_the_setup_script() -> None:
    """So that it gets as far as saying that it is too old."""
    ast.parse((ROOT / "scripts" / "setup.py").read_text(), feature_version=(3, 6))


def test_a_python_that_is_too_old_gets_one_line_that_says_what_to_do() -> None:
    said: str = load_setup().too_old((3, 9, 2, "final", 0))

    assert said == "Python 3.9.2 is too old; install Python 3.11 or newer, then run `make setup` again"


def test_setup_asks_for_the_python_that_the_project_asks_for() -> None:
    oldest: tuple[int, int] = load_setup().OLDEST

    assert pyproject()["project"]["requires-python"] == f">={oldest[0]}.{oldest[1]}"


def test_setup_does_nothing_while_nothing_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup = load_setup()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    ready = f"{setup.environment_stamp(tmp_path)}\n{setup.project_stamp()}\n"
    (tmp_path / ".ready").write_text(ready)
    monkeypatch.setattr(sys, "argv", ["setup.py", str(tmp_path)])
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("it ran something"))

    setup.main()

    assert (tmp_path / ".ready").read_text() == ready


@pytest.mark.parametrize(
    ("stale", "steps"),
    [("environment", ["-m venv", "--require-hashes", "--editable"]), ("project", ["--editable"])],
)
def test_setup_does_what_a_change_calls_for(
    stale: str, steps: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup = load_setup()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    environment = "old" if stale == "environment" else setup.environment_stamp(tmp_path)
    (tmp_path / ".ready").write_text(f"{environment}\nold\n")
    monkeypatch.setattr(sys, "argv", ["setup.py", str(tmp_path)])
    ran: list[str] = []
    monkeypatch.setattr(setup, "run", lambda command, _: ran.append(" ".join(command)))

    setup.main()

    assert len(ran) == len(steps)
    assert all(step in command for step, command in zip(steps, ran, strict=True))
    assert (tmp_path / ".ready").read_text().split()[0] == setup.environment_stamp(tmp_path)


def test_no_file_is_too_large_for_a_reader() -> None:
    """Binary or huge files belong in a release, not in the tree."""
    assert [place(path) for path in files() if path.stat().st_size > 1_000_000] == []

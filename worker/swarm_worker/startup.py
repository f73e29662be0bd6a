"""The start of a worker, up to its registration: checks flags and builds the context that the worker needs."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from amplifier_swarm import logs
from amplifier_swarm.channel import Endpoint, check_address
from amplifier_swarm.credentials import find_token, is_join_token, token_file_in_use
from amplifier_swarm.descriptors import raise_descriptor_limit
from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.masking import Mask
from amplifier_swarm.prompt_files import FOLDER, NONE
from amplifier_swarm.vocabulary import WorkspaceName
from swarm_worker.config import WorkerConfig
from swarm_worker.domain.environment import base_environment, secrets_of
from swarm_worker.prompts.templates import Templates, check_age, read_templates
from swarm_worker.runners.base import Runner
from swarm_worker.runners.selection import choose_runner
from swarm_worker.sandbox.abilities import NO_ABILITIES, Abilities, find_abilities
from swarm_worker.storage.state_dir import StateFolder, state_folder
from swarm_worker.supervision.guard_locks import GUARDS_END_S, wait_for_guards
from swarm_worker.supervision.supervisor import require_proc, state_mark
from swarm_worker.telemetry.tracing import NULL_TRACER, Tracer, create_tracer
from swarm_worker.workspace.repository import has_repository

# Measured: 10 a slot while sessions, checks and git run, 16 without any. The rest is a margin.
DESCRIPTORS_PER_SLOT: Final = 14
DESCRIPTORS_OF_WORKER: Final = 40

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """The parts that a worker starts with, besides its settings."""

    folder: StateFolder
    runner: Runner
    project_root: Path
    env: Mapping[str, str]
    # Knows the secret values in `env`.
    mask: Mask
    version: str
    templates: Templates | None = None
    tracer: Tracer = NULL_TRACER
    abilities: Abilities = NO_ABILITIES


class Startup(NamedTuple):
    """A worker's context, and the server to dial."""

    context: WorkerContext
    endpoint: Endpoint


@contextmanager
def started(config: WorkerConfig, *, version: str) -> Iterator[Startup]:
    """Locks the state folder and builds the worker's context; releases the folder at the end.

    Raises:
        ProgramExit: A flag can't be followed, /proc shows too little, or sessions of a former process do not end.
    """
    require_proc()
    env = base_environment(os.environ, passed=config.pass_env)
    mask = Mask(secrets_of(env))
    logs.configure(config.log_format, config.log_level, mask=mask)
    server = check_address(config.server, name="--server")
    root = project_root(config.project_root)
    runner = choose_runner(config, project_root=root, env=env)
    if config.slots > 1 and not wants_clones(config, root) and has_repository(root):
        _log.warning("builders at once share one git work tree", slots=config.slots, folder=str(root))
    templates = read_templates(root, config.prompts)
    abilities = find_abilities(config, runner, root, env)
    endpoint = _endpoint(config, server, root)
    if endpoint.proxy_variable:
        _log.info("the server is reached through a proxy", variable=endpoint.proxy_variable)
    with state_folder(config.state_dir, name=config.name) as folder:
        endpoint = _with_kept(endpoint, folder)
        wait_for_guards(folder, timeout_s=GUARDS_END_S + config.kill_grace)
        abilities.remove_leftovers(state_mark(folder.instance), env)
        folder.forget_sessions()
        _accept_prompts(config, templates, folder)
        spans = create_tracer(folder.name, version)
        try:
            context = WorkerContext(folder, runner, root, env, mask, version, templates, spans, abilities)
            yield Startup(context, endpoint)
        finally:
            spans.close()


def _endpoint(config: WorkerConfig, server: str, root: Path) -> Endpoint:
    file = token_file_in_use(config.token_file, projects=(root,))
    token = find_token(file, projects=(root,), warn=_log.warning)
    endpoint = Endpoint(
        server,
        token,
        config.tls_ca,
        config.tls_cert,
        config.tls_key,
        tls_ca_fingerprint=config.tls_ca_fingerprint,
        # A pipe can be read only once.
        token_file=file if file is not None and file.is_file() else None,
    )
    if config.tls_ca is None or not config.tls_ca_fingerprint:
        return endpoint
    from amplifier_swarm.pinning import read_authority  # noqa: PLC0415  # few workers have both

    return replace(endpoint, pinned_ca=read_authority(config.tls_ca, config.tls_ca_fingerprint), tls_ca=None)


def _with_kept(endpoint: Endpoint, folder: StateFolder) -> Endpoint:
    """Returns the endpoint with what an earlier first contact has left in the state folder."""
    if endpoint.tls_ca_fingerprint and not endpoint.pinned_ca and folder.authority.exists():
        from amplifier_swarm.pinning import authority_from  # noqa: PLC0415  # few workers have a fingerprint

        kept = authority_from(folder.authority.read_bytes(), endpoint.tls_ca_fingerprint)
        endpoint = replace(endpoint, pinned_ca=kept or b"")
    if is_join_token(endpoint.token):
        from swarm_worker.storage.credential import find_credential  # noqa: PLC0415  # as above

        if credential := find_credential(folder, endpoint.token):
            endpoint = replace(endpoint, token=credential, token_file=None)
    return endpoint


def _accept_prompts(config: WorkerConfig, templates: Templates, folder: StateFolder) -> None:
    """Logs the project's own prompts, or raises ProgramExit if a session may have written them."""
    check_age(templates, first_start_s=folder.first_start_s, accepted=config.accept_prompts)
    if templates.digest != NONE:
        where = str(config.prompts or FOLDER)
        _log.info("the project's own prompts are used", folder=where, digest=templates.digest)


def wants_clones(config: WorkerConfig, project_root: Path) -> bool:
    """Returns whether the worker gives each task a clone, if the repository allows it."""
    if config.repo or config.workspace == WorkspaceName.CLONE:
        return True
    return config.workspace == WorkspaceName.AUTO and has_repository(project_root)


def fit_slots(slots: int) -> int:
    """Returns the slots that the limit of file descriptors allows, after raising the limit if needed.

    Raises:
        ProgramExit: The limit does not allow even one slot.
    """
    limit = raise_descriptor_limit(DESCRIPTORS_OF_WORKER + DESCRIPTORS_PER_SLOT * slots)
    allowed = min(slots, (limit - DESCRIPTORS_OF_WORKER) // DESCRIPTORS_PER_SLOT)
    hint = "raise the hard limit: ulimit -Hn, or LimitNOFILE= of the unit"
    if allowed < 1:
        raise ProgramExit(
            ExitCode.USAGE, f"a limit of {limit} open files is too low for even one session", hint=hint
        )
    if allowed < slots:
        _log.warning(
            f"fewer slots than --slots: the limit of open files allows no more; {hint}",
            slots=allowed,
            wanted=slots,
            limit=limit,
        )
    return allowed


def project_root(path: Path) -> Path:
    """Returns the project root, absolute; raises ProgramExit if sessions could not work in it."""
    root = path.absolute()
    if not root.is_dir():
        raise ProgramExit(
            ExitCode.USAGE,
            f"--project-root {root} is not a directory",
            hint="create it or pass another path",
        )
    if not os.access(root, os.R_OK | os.X_OK):
        raise ProgramExit(
            ExitCode.USAGE, f"--project-root {root} can't be read", hint="check its permissions"
        )
    if not os.access(root, os.W_OK):
        raise ProgramExit(
            ExitCode.USAGE, f"--project-root {root} can't be written", hint="check its permissions"
        )
    return root

"""`swarmctl backup`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.plan.source import STDIN
from amplifier_swarm.v1.operator_service_pb2 import (
    BackupRequest,
    ConfirmCommitsRequest,
    FollowDatabaseResponse,
    GetSwarmRequest,
)
from swarmctl.api import streams
from swarmctl.api.timeouts import DEADLINE_S
from swarmctl.atomic_file import replacing
from swarmctl.cli.arguments import BackupFile
from swarmctl.cli.context import CommandContext
from swarmctl.console import print_err
from swarmctl.replica_folder import Generation, ReplicaFolder, opened
from swarmctl.valued_files import refuse_for_backup

if TYPE_CHECKING:
    from amplifier_swarm.v1.operator_service_pb2_grpc import OperatorServiceStub

_AWAY: Final = "swarmctl: the server is away; the copy stays as it is until it is back"


def run(
    ctl: CommandContext,
    file: BackupFile,
    *,
    follow_on: Annotated[
        bool,
        typer.Option("--follow", "-f", help="FILE is a folder; go on with each commit, as a standby does."),
    ] = False,
) -> None:
    """FILE is the whole database as of one moment, or is not touched at all."""
    if file == STDIN:
        raise ProgramExit(ExitCode.USAGE, "a backup is not written to stdout", hint="pass the path of a file")
    if follow_on:
        _follow(ctl, Path(file))
        return
    written = 0
    # The database holds all data of the swarm, so only its owner may read the copy.
    with replacing(file, mode=0o600, refuse=refuse_for_backup) as out:
        for answer in ctl.stub.Backup(BackupRequest()):
            written += out.write(answer.chunk)
    print_err(f"swarmctl: {written:,} bytes written to {file}")


def _follow(ctl: CommandContext, path: Path) -> None:
    """Keeps the folder a copy of the database until a signal ends the program."""
    # A wrong address or token is reported, and not waited for.
    ctl.stub.GetSwarm(GetSwarmRequest(), timeout=DEADLINE_S)
    with opened(path) as folder:
        standby = _Standby(folder, ctl.stub, server=ctl.server, place=str(path))
        for answer in streams.database(ctl.stub, on_server_away=lambda: print_err(_AWAY)):
            standby.receive(answer)


class _Standby:
    """The copies of one server's database, one after the other."""

    def __init__(
        self, folder: ReplicaFolder, stub: "OperatorServiceStub", *, server: str, place: str
    ) -> None:
        self._folder = folder
        self._stub = stub
        self._server = server
        self._place = place
        self._begin = FollowDatabaseResponse.Begin()
        self._copy: Generation | None = None

    def receive(self, answer: FollowDatabaseResponse) -> None:
        """Stores one message; raises OSError, or ProgramExit if the server must not be followed."""
        part = answer.WhichOneof("part")
        if part == "begin":
            self._restart(answer.begin)
            return
        copy = self._copy
        assert copy is not None, "a stream starts with `begin`"
        if part == "base":
            copy.add_base(answer.base)
        elif part == "base_end":
            copy.end_base(position=answer.base_end.position, complete=answer.base_end.complete)
            self._stored(copy, answer.base_end.position)
        else:
            copy.add_commits(answer.commits)
            if answer.position:
                copy.sync()
                self._stored(copy, answer.position)

    def _restart(self, begin: FollowDatabaseResponse.Begin) -> None:
        self._folder.refuse_other_swarm(swarm_id=begin.swarm_id, epoch=begin.epoch, server=self._server)
        if self._copy is not None:
            self._copy.close()
        self._begin, self._copy = begin, self._folder.new_generation()

    def _stored(self, copy: Generation, position: int) -> None:
        complete = position >= copy.complete
        if complete and not self._folder.is_current(copy):
            self._folder.make_current(copy, swarm_id=self._begin.swarm_id, epoch=self._begin.epoch)
            print_err(f"swarmctl: {self._place} is a complete copy, and follows {self._server}")
        self._confirm(position, complete=complete)

    def _confirm(self, position: int, *, complete: bool) -> None:
        request = ConfirmCommitsRequest(follow_id=self._begin.follow_id, position=position, complete=complete)
        streams.tolerate_outage(lambda: self._stub.ConfirmCommits(request, timeout=DEADLINE_S))

"""`swarmctl backup`."""

from amplifier_swarm.exits import ExitCode, ProgramExit
from amplifier_swarm.v1.operator_service_pb2 import BackupRequest
from swarmctl.atomic_file import replacing
from swarmctl.cli.arguments import BackupFile
from swarmctl.cli.context import CommandContext
from swarmctl.console import print_err
from swarmctl.plan.source import STDIN
from swarmctl.valued_files import refuse_for_backup


def run(
    ctl: CommandContext,
    file: BackupFile,
) -> None:
    """FILE is the whole database as of one moment, or is not touched at all."""
    if file == STDIN:
        raise ProgramExit(ExitCode.USAGE, "a backup is not written to stdout", hint="pass the path of a file")
    written = 0
    # The database holds all data of the swarm, so only its owner may read the copy.
    with replacing(file, mode=0o600, refuse=refuse_for_backup) as out:
        for answer in ctl.stub.Backup(BackupRequest()):
            written += out.write(answer.chunk)
    print_err(f"swarmctl: {written:,} bytes written to {file}")

"""What a verb is given: the options, the server to call, and the printer.

The rule: nothing is dialled, and gRPC is not even imported, before a verb asks for `stub`.
"""

from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from swarmctl.cli.options import GlobalOptions
from swarmctl.render.printer import Printer

if TYPE_CHECKING:
    from amplifier_swarm.v1.operator_service_pb2_grpc import OperatorServiceStub
    from swarmctl.api.connection import Connection

# Longer than any answer takes, shorter than a person waits before they think that it hangs.
DEADLINE_S: Final = 10.0


class CommandContext:
    """One run of a verb. Turns errors of the server into the Exit that says what to do."""

    def __init__(self, options: GlobalOptions) -> None:
        self.options = options
        self.printer = Printer(options.output, no_color=options.no_color)
        self._connection: Connection | None = None

    @property
    def stub(self) -> "OperatorServiceStub":
        """The server's methods."""
        if self._connection is None:
            # Late: `--help` need not wait for gRPC.
            from swarmctl.api.connection import Connection  # noqa: PLC0415

            self._connection = Connection.of_options(self.options)
        return self._connection.stub

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._connection is None:
            return
        self._connection.close()
        self._connection.raise_for_people(error)

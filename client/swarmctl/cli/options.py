"""The options that every command takes, before or after its name: server, token, form of output.

Invariant: a flag on the command line overrides the environment, and the flag nearest to the command
overrides those further left.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final, get_type_hints

import typer

from amplifier_swarm.fingerprint import fingerprint
from amplifier_swarm_client.settings import ConnectionSettings
from swarmctl.cli.paths import expanded
from swarmctl.render.printer import Output

PANEL: Final = "Common options"


def checked_fingerprint(text: str) -> str:
    """Returns a fingerprint in its usual form, or the empty text; raises BadParameter if it is not one."""
    try:
        return fingerprint(text) if text.strip() else ""
    except ValueError as error:
        raise typer.BadParameter(f"{text!r}: {error}") from error


ServerOption = Annotated[
    str,
    typer.Option(
        "--server",
        metavar="HOST:PORT",
        envvar="SWARM_SERVER",
        help="Where swarmd answers; else the server of this project, else 127.0.0.1:7433.",
        rich_help_panel=PANEL,
    ),
]
TokenFileOption = Annotated[
    Path | None,
    typer.Option(
        "--token-file",
        metavar="FILE",
        envvar="SWARM_TOKEN_FILE",
        help="The token; else $SWARM_TOKEN, else the operator's of this project.",
        callback=expanded,
        rich_help_panel=PANEL,
    ),
]
TlsCaOption = Annotated[
    Path | None,
    typer.Option(
        "--tls-ca",
        metavar="FILE",
        envvar="SWARM_TLS_CA",
        help="Use TLS, and trust the servers that this certificate vouches for.",
        callback=expanded,
        rich_help_panel=PANEL,
    ),
]
TlsFingerprintOption = Annotated[
    str,
    typer.Option(
        "--tls-ca-fingerprint",
        metavar="sha256:HEX",
        envvar="SWARM_TLS_CA_FINGERPRINT",
        help="Use TLS, and trust the CA with this fingerprint; swarmd --tls-auto prints it.",
        callback=checked_fingerprint,
        rich_help_panel=PANEL,
    ),
]
TlsCertOption = Annotated[
    Path | None,
    typer.Option(
        "--tls-cert",
        metavar="FILE",
        envvar="SWARM_TLS_CERT",
        help="Our own certificate, for a server that asks for one (--tls-client-ca).",
        callback=expanded,
        rich_help_panel=PANEL,
    ),
]
TlsKeyOption = Annotated[
    Path | None,
    typer.Option(
        "--tls-key",
        metavar="FILE",
        envvar="SWARM_TLS_KEY",
        help="The key of that certificate.",
        callback=expanded,
        rich_help_panel=PANEL,
    ),
]
OutputOption = Annotated[
    Output,
    typer.Option(
        "--output",
        "-o",
        envvar="SWARMCTL_OUTPUT",
        help="Print a table for people, or JSON or YAML for programs.",
        rich_help_panel=PANEL,
    ),
]
NoColorOption = Annotated[
    bool,
    typer.Option(
        "--no-color",
        envvar="SWARMCTL_NO_COLOR",
        help="Print without colours; so does a NO_COLOR in the environment.",
        rich_help_panel=PANEL,
    ),
]


UtcOption = Annotated[
    bool,
    typer.Option(
        "--utc",
        envvar="SWARMCTL_UTC",
        help="Print times in UTC; else in the local time zone. JSON and YAML always have UTC.",
        rich_help_panel=PANEL,
    ),
]


@dataclass(frozen=True, slots=True)
class GlobalOptions:
    """The values of the common options."""

    # Empty for the server of the project.
    server: str = ""
    token_file: Path | None = None
    tls_ca: Path | None = None
    tls_ca_fingerprint: str = ""
    tls_cert: Path | None = None
    tls_key: Path | None = None
    output: Output = Output.TABLE
    no_color: bool = False
    utc: bool = False
    # Of an order: why it is given.
    cause: str = ""
    # The flags given on the command line; some commands refuse some of them.
    given: frozenset[str] = frozenset()

    @property
    def connection(self) -> ConnectionSettings:
        """The settings of the connection."""
        return ConnectionSettings(
            server=self.server,
            token_file=self.token_file,
            tls_ca=self.tls_ca,
            tls_ca_fingerprint=self.tls_ca_fingerprint,
            tls_cert=self.tls_cert,
            tls_key=self.tls_key,
        )


_ANNOTATIONS: Final[Mapping[str, Any]] = {
    "server": ServerOption,
    "token_file": TokenFileOption,
    "tls_ca": TlsCaOption,
    "tls_ca_fingerprint": TlsFingerprintOption,
    "tls_cert": TlsCertOption,
    "tls_key": TlsKeyOption,
    "output": OutputOption,
    "no_color": NoColorOption,
    "utc": UtcOption,
}
_DEFAULTS: Final = {
    field.name: field.default for field in fields(GlobalOptions) if field.name in _ANNOTATIONS
}


_CAUSE: Final = inspect.Parameter(
    "cause",
    inspect.Parameter.KEYWORD_ONLY,
    default="",
    annotation=Annotated[str, typer.Option("--cause", metavar="TEXT", help="Why, for the log.")],
)


def merged_options(context: typer.Context, values: Mapping[str, Any]) -> GlobalOptions:
    """Returns the options in force at this place of the command line.

    `values` are the values that are given here, or the defaults.
    """
    outer = context.parent.obj if context.parent is not None else None
    if outer is None:
        outer = GlobalOptions(**{name: values[name] for name in _ANNOTATIONS})
    given = frozenset(name for name in _ANNOTATIONS if _on_the_command_line(context, name))
    here = {name: values[name] for name in given}
    return replace(outer, **here, given=outer.given | given)


def _on_the_command_line(context: typer.Context, name: str) -> bool:
    # Compared by name: the enum is click's in the oldest supported Typer, and Typer's own in later ones.
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def with_options(
    function: Callable[..., Any], call: Callable[..., Any], *, orders: bool = False
) -> Callable[..., Any]:
    """Builds a function for Typer: the parameters of `function` after its first, and the common options.

    A parameter that is a dataclass of options stands for each of its fields. The built function calls
    `call(options, function, its own values)`. An order has a `--cause` that goes with each of its calls, unless
    the function has one of its own.
    """
    hints = get_type_hints(function, include_extras=True)
    _, *own = inspect.signature(function).parameters.values()
    takes_cause = orders and all(p.name != "cause" for p in own)

    def command(context: typer.Context, **values: Any) -> Any:
        options = merged_options(context, values)
        if takes_cause:
            options = replace(options, cause=values["cause"])
        return call(options, function, {p.name: _value(hints[p.name], p.name, values) for p in own})

    parameters = [
        inspect.Parameter("context", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context),
        *(option for p in own for option in _options(hints[p.name], p)),
        *([_CAUSE] if takes_cause else []),
        *(
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=_DEFAULTS[name], annotation=annotation
            )
            for name, annotation in _ANNOTATIONS.items()
        ),
    ]
    # Typer reads the signature and the annotations.
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    command.__name__ = function.__name__
    command.__doc__ = function.__doc__
    return command


def _options(hint: Any, parameter: inspect.Parameter) -> Iterator[inspect.Parameter]:
    keyword = inspect.Parameter.KEYWORD_ONLY
    if not is_dataclass(hint):
        yield parameter.replace(kind=keyword, annotation=hint)
        return
    hints = get_type_hints(hint, include_extras=True)
    for field in fields(hint):
        yield inspect.Parameter(field.name, keyword, default=field.default, annotation=hints[field.name])


def _value(hint: Any, name: str, values: Mapping[str, Any]) -> Any:
    if not is_dataclass(hint):
        return values[name]
    return hint(**{field.name: values[field.name] for field in fields(hint)})  # type: ignore[operator]  # a class


def completion_options(context: typer.Context) -> GlobalOptions:
    """Returns the options that have been typed so far; completion runs no callback."""
    chain: list[typer.Context] = []
    current: Any = context
    while current is not None:
        chain.insert(0, current)
        current = current.parent
    for outer in chain:
        values = {name: outer.params.get(name, _DEFAULTS[name]) for name in _ANNOTATIONS}
        outer.obj = merged_options(outer, values)
    return chain[-1].obj  # type: ignore[no-any-return]  # the line above set it

"""The settings of the operator: each flag, its variable and its default."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from amplifier_swarm.settings import number, path, setting


@dataclass(frozen=True, slots=True)
class OperatorConfig:
    """The settings of one operator, which serves one namespace."""

    server: str = setting(..., "the swarmd of the namespace", metavar="HOST:PORT", env="SWARM_SERVER")
    namespace: str = setting(..., "the namespace of plans, tasks and workers", metavar="NAME")
    token_file: Path | None = setting(
        None, "the file with an operator's token", parse=path, metavar="F", env="SWARM_TOKEN_FILE"
    )
    tls_ca: Path | None = setting(
        None, "the CA that signed the server's certificate", parse=path, metavar="F", env="SWARM_TLS_CA"
    )
    interval: float = setting(
        2.0, "seconds between two looks at a plan's tasks", parse=number(0.1, 3600), metavar="S"
    )
    log_format: Literal["text", "json"] = setting("text", "how it logs", choices=("text", "json"))
    log_level: str = setting("info", "what it logs", choices=("debug", "info", "warning", "error"))

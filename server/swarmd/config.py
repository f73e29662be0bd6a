"""The settings of swarmd: each flag, its variable and its default. The name or the text has the unit."""

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path

from amplifier_swarm.settings import integer, number, path, setting
from amplifier_swarm.state_paths import STATE

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def certificate_name(text: str) -> str:
    """Parses a name for the certificate: a host name in ASCII, or an address without a port.

    Raises:
        ValueError: The text is neither.
    """
    name = text.strip().strip("[]").lower()
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        pass
    labels = name.rstrip(".").split(".")
    if not name.isascii() or any(
        not part.strip("-").replace("-", "a").replace("_", "a").isalnum() for part in labels
    ):
        raise ValueError("not a host name or an address; leave the port out, and give the ASCII form (xn--…)")
    return name.rstrip(".")


def dashboard_path(text: str) -> str:
    """Parses the path of the dashboard: a slash before each of its parts, and none at the end.

    Raises:
        ValueError: It has another form.
    """
    path = text.strip().rstrip("/")
    if path and not re.fullmatch(r"(?:/[A-Za-z0-9][A-Za-z0-9._~-]*)+", path):
        raise ValueError("not a path such as /swarm; use letters, digits and . _ ~ - in its parts")
    return path


def network(text: str) -> Network:
    """Parses an address or a network of addresses.

    Raises:
        ValueError: The text is neither.
    """
    try:
        return ipaddress.ip_network(text.strip())
    except ValueError:
        raise ValueError("not an address or a network such as 10.0.0.0/8") from None


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """The settings that the operator of the server has chosen."""

    db: Path = setting(
        STATE / "swarm.db", "The database file; created if it does not exist", parse=path, metavar="FILE"
    )
    restore: Path | None = setting(
        None, "Put this backup, or the folder of `backup --follow`, in place of the database, which is kept, and exit",
        parse=path, metavar="FILE|FOLDER",
    )  # fmt: skip
    compact: bool = setting(
        False, "Give the space of deleted tasks in the database back to the disk, and exit"
    )
    ack: str = setting(
        "stored", "When a write is answered: when this disk has it, or when a standby that is in sync has it too",
        choices=("stored", "replicated"),
    )  # fmt: skip
    listen: str = setting(
        "127.0.0.1:7433", "Where to serve gRPC; port 0 takes a free one", metavar="HOST:PORT"
    )
    dashboard: str = setting(
        "127.0.0.1:8765", "Where to serve the dashboard; port 0 takes a free one, `off` serves none",
        metavar="HOST:PORT|off",
    )  # fmt: skip
    dashboard_name: tuple[str, ...] = setting(
        (), "Another name by which browsers may call the dashboard, such as a proxy's; may be repeated",
        metavar="NAME",
    )  # fmt: skip
    dashboard_path: str = setting(
        "",
        "The path below which a proxy serves the dashboard, such as /swarm",
        parse=dashboard_path,
        metavar="PATH",
    )
    trusted_proxy: tuple[Network, ...] = setting(
        (), "A network of proxies whose X-Forwarded-For, -Proto and -Host headers are believed; may be repeated",
        parse=network, metavar="CIDR",
    )  # fmt: skip
    metrics_open: bool = setting(False, "Answers /metrics to programs of this host without a token")
    scaler_open: bool = setting(
        False, "Answers KEDA's scaler protocol without a token: callers learn how many tasks a pool has"
    )
    token_file: Path | None = setting(
        None, "The operator's token; created if it does not exist (default `token` beside the database)",
        parse=path, metavar="FILE",
    )  # fmt: skip
    accept_token: tuple[str, ...] = setting(
        (), "The file of another token to accept, of any role, which a deployment has made; may be repeated",
        metavar="FILE",
    )  # fmt: skip
    lost_after: float = setting(
        1800.0, "Seconds of silence after which a worker's tasks are given to others",
        parse=number(1, 31_536_000), metavar="SECONDS",
    )  # fmt: skip
    suspect_after: float = setting(
        30.0,
        "Seconds of silence after which a worker is suspect",
        parse=number(0.1, 86_400),
        metavar="SECONDS",
    )
    heartbeat_interval: float = setting(
        10.0, "Seconds between a worker's heartbeats", parse=number(0.05, 3_600), metavar="SECONDS"
    )
    retry_backoff: float = setting(
        2.0, "Seconds that a first retry may wait; doubles with each, with full jitter",
        parse=number(0, 86_400), metavar="SECONDS",
    )  # fmt: skip
    retry_backoff_max: float = setting(
        300.0, "The most that a retry may wait", parse=number(0, 86_400), metavar="SECONDS"
    )
    runner_cooldown: float = setting(
        300.0, "Seconds until a runner that is paused for a shared fault may try one task; doubles to an hour",
        parse=number(0.1, 86_400), metavar="SECONDS",
    )  # fmt: skip
    quiet_after: float = setting(
        300.0, "Seconds without anything new after which a running task is shown as quiet",
        parse=number(0.1, 86_400), metavar="SECONDS",
    )  # fmt: skip
    exclusive_files: bool = setting(
        False, "Tasks whose files overlap never run at once, in clones too; in a shared folder they never do"
    )
    day_budget: str = setting(
        "",
        "What all sessions of a day may cost together, in dollars; a day ends at 00:00 UTC",
        metavar="DOLLARS",
    )
    account_budget: tuple[str, ...] = setting(
        (), "What all sessions that an account pays for may cost together; may be repeated. A worker's account is its "
        "label `account`, else its runner",
        metavar="NAME=DOLLARS",
    )  # fmt: skip
    tls_cert: Path | None = setting(None, "The server's certificate chain, PEM", parse=path, metavar="FILE")
    tls_key: Path | None = setting(None, "The key of that certificate, PEM", parse=path, metavar="FILE")
    tls_client_ca: Path | None = setting(
        None, "Asks clients for certificates of this authority, PEM", parse=path, metavar="FILE"
    )
    tls_auto: bool = setting(
        False, "Makes a CA and a certificate of its own, in the state folder, and renews it in time"
    )
    tls_name: tuple[str, ...] = setting(
        (), "With --tls-auto: a name or an address by which workers and clients call this server; may be repeated",
        parse=certificate_name, metavar="NAME",
    )  # fmt: skip
    notify: tuple[str, ...] = setting(
        (), "Whom to tell what happens: an address of Apprise, with `#events=failed,finished,stop,worker-lost,"
        "runner-paused,needs-person` for some of it; @FILE reads addresses; repeatable",
        metavar="URL|@FILE", separator=None,
    )  # fmt: skip
    session_log_head: int = setting(
        500, "How many log entries of a session's beginning are kept", parse=integer(1, 1_000_000),
        metavar="N",
    )  # fmt: skip
    session_log_tail: int = setting(
        4_500, "How many log entries of its end are kept; those between are dropped", parse=integer(1, 1_000_000),
        metavar="N",
    )  # fmt: skip
    artifact_file_limit: int = setting(
        100, "How many MiB an artifact of a task may have", parse=integer(1, 1_048_576), metavar="MIB"
    )
    artifact_task_limit: int = setting(
        500,
        "How many MiB all artifacts of a task may have together",
        parse=integer(1, 1_048_576),
        metavar="MIB",
    )
    artifact_total_limit: int = setting(
        10_240, "How many MiB all artifacts may have together", parse=integer(1, 1_073_741_824), metavar="MIB"
    )
    artifact_days: int = setting(
        30, "How many days an artifact is kept", parse=integer(1, 36_500), metavar="DAYS"
    )
    follow_ups: int = setting(10, "How many tasks one session may file", parse=integer(0, 1_000), metavar="N")
    follow_up_depth: int = setting(
        3,
        "How often sessions of tasks that were filed may file tasks in turn",
        parse=integer(0, 100),
        metavar="N",
    )
    log_format: str = setting("text", "How to log on stderr", choices=("text", "json"))
    log_level: str = setting("info", "What to log", choices=("debug", "info", "warning", "error"))

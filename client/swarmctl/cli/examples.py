"""The examples at the end of each help page, by command."""

from collections.abc import Mapping, Sequence
from typing import Final

EXAMPLES: Final[Mapping[str, Sequence[str]]] = {
    "run": (
        "swarmctl run tasks.yaml --workers 3 --project-root repository",
        "swarmctl run tasks.yaml --retry-failed",
    ),
    "init": ("swarmctl init", "swarmctl init plan.yaml"),
    "validate": ("swarmctl validate tasks.yaml",),
    "schema": ("swarmctl schema",),
    "import": ("swarmctl import tasks.yaml --dry-run", "generate-tasks | swarmctl import -"),
    "convert": (
        "swarmctl convert .taskmaster/tasks/tasks.json --out tasks.yaml",
        "swarmctl convert tasks.md --prefix login-",
    ),
    "plan": ("swarmctl plan tasks.yaml", "swarmctl plan --from-spec SPEC.md --out tasks.yaml"),
    "export": ("swarmctl export tasks-now.yaml", "swarmctl export --status failed"),
    "add": (
        "swarmctl add 2.7 --name 'Write the help' --files docs/help.md --dependencies 2.1",
        "swarmctl add",
    ),
    "edit": ("swarmctl edit 2.1", "swarmctl edit 2.1 --set priority=high --set 'checks=[make test]'"),
    "status": ("swarmctl status", "swarmctl status -o json"),
    "list": ("swarmctl list --status in_progress", "swarmctl list --phase tests --search login"),
    "show": ("swarmctl show 2.1", "swarmctl show 2.1 -o json"),
    "diff": ("swarmctl diff 2.1", "swarmctl diff 2.1 --stat"),
    "artifacts": ("swarmctl artifacts 2.1",),
    "get": ("swarmctl get 2.1 report.html",),
    "workers": ("swarmctl workers",),
    "workers forget": ("swarmctl workers forget worker-3",),
    "blocked": ("swarmctl blocked",),
    "inbox": ("swarmctl inbox",),
    "explain": ("swarmctl explain 2.1",),
    "watch": ("swarmctl watch", "swarmctl watch -o json"),
    "events": ("swarmctl events --task 2.1", "swarmctl events --follow"),
    "logs": (
        "swarmctl logs 2.1 --follow",
        "swarmctl logs 2.1 --role validator --attempt 2",
        "swarmctl logs 2.1 --prompt",
    ),
    "dashboard": ("swarmctl dashboard",),
    "kill": ("swarmctl kill 2.1 --cause 'the wrong branch'", "swarmctl kill 2.1 2.2 --no-wait"),
    "retry": ("swarmctl retry 2.1", "swarmctl retry --failed"),
    "land": ("swarmctl land 2.1",),
    "accept": ("swarmctl accept 2.1 --attempt 2 --cause 'checked by hand'",),
    "hold": ("swarmctl hold 2.1 --cause 'wait for the review'",),
    "unhold": ("swarmctl unhold 2.1",),
    "answer": ("swarmctl answer 2.1 'Keep the old name.'", "swarmctl answer 2.1 --option 2"),
    "approve": ("swarmctl approve 2.1", "swarmctl approve --phase tests --cause 'read and tried'"),
    "budget": ("swarmctl budget 2.1", "swarmctl budget 2.1 --add 2 --cause 'the log is long'"),
    "reject": ("swarmctl reject 2.1 --because 'The names of the columns have changed.'",),
    "note": ("swarmctl note 2.1 'The tests need a database.'",),
    "depend": ("swarmctl depend 2.1 --on 1.3", "swarmctl depend 2.1 --on 1.3 --remove"),
    "pause": ("swarmctl pause", "swarmctl pause --cause 'the provider is slow'"),
    "resume": ("swarmctl resume", "swarmctl resume --requeue"),
    "drain": ("swarmctl drain worker-3", "swarmctl drain --all --deadline 600"),
    "emergency-stop": ("swarmctl emergency-stop --cause 'it deletes files'",),
    "doctor": ("swarmctl doctor",),
    "workspaces": ("swarmctl workspaces",),
    "backup": ("swarmctl backup swarm-backup.db",),
    "token": ("swarmctl token create --role viewer --name wallboard", "swarmctl token list"),
    "token create": ("swarmctl token create --role viewer --name wallboard",),
    "token list": ("swarmctl token list",),
    "token revoke": ("swarmctl token revoke 3f9a2c",),
    "slurm": ("swarmctl slurm submit --workers 4",),
    "slurm submit": ("swarmctl slurm submit --workers 4",),
    "worker-config": ("swarmctl worker-config",),
    "mcp": ("swarmctl mcp", "swarmctl mcp --http 8770 --read-only"),
    "ping": ("swarmctl ping",),
    "version": ("swarmctl version",),
}


def epilog(path: str) -> str:
    """Returns what stands below the flags of a command: its examples, and how its variables are named."""
    variable = f"SWARMCTL_{path.split(maxsplit=1)[0]}_".replace("-", "_").upper()
    named = (
        f"Each flag has a variable: {variable}FLAG for --flag; of the common ones SWARM_SERVER, SWARM_TOKEN_FILE,"
        " SWARM_TLS_…, SWARMCTL_OUTPUT and SWARMCTL_NO_COLOR."
    )
    examples = EXAMPLES.get(path, ())
    return "\n\n".join([*(["Examples:"] if examples else []), *(f"  {line}" for line in examples), named])

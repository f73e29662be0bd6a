"""Names findings. Its one rule: a finding that comes back keeps its id, so that it can be followed.

A new one is `a{attempt}f{number}`. One of the last attempt is known again by its id, if the validator named
it, or by its file and its words; how they are spaced, their case and how long a thing took don't count.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from swarm_worker.domain.model import Assignment, Finding

# As test programs say how long they ran: "in 0.12s", "(3 ms)".
_TOOK: Final = re.compile(r"\b\d+(\.\d+)?\s?(m?s|seconds?|minutes?)\b")


def named(found: Iterable[Finding], assignment: Assignment) -> tuple[Finding, ...]:
    """The findings with the ids that they go by; no two of them share one."""
    old = {finding.finding_id: finding for finding in assignment.findings}
    names: list[Finding] = []
    made = 0
    for finding in found:
        known = _known(finding, old)
        if known is None:
            made += 1
        else:
            del old[known]
        names.append(replace(finding, finding_id=known or f"a{assignment.attempt}f{made}"))
    return tuple(names)


def _known(finding: Finding, old: dict[str, Finding]) -> str | None:
    if finding.finding_id in old:
        return finding.finding_id
    key = _key(finding)
    return next((name for name, before in old.items() if _key(before) == key), None)


def _key(finding: Finding) -> tuple[str, str]:
    issue = _TOOK.sub("", finding.issue.casefold())
    return finding.file.strip(), " ".join(issue.split())

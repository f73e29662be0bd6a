"""Ids of findings.

Invariant: a finding that is reported again keeps its id, so that it can be followed over attempts.

A new finding gets the id `a{attempt}f{number}`. A finding of the previous attempt is recognized by its id, if the
validator repeats the id, or by its file and text. Spacing, case and durations in the text are ignored.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from swarm_worker.domain.model import Assignment, Finding

# Durations as test programs print them: "in 0.12s", "(3 ms)".
_DURATION: Final = re.compile(r"\b\d+(\.\d+)?\s?(m?s|seconds?|minutes?)\b")


def with_ids(found: Iterable[Finding], assignment: Assignment) -> tuple[Finding, ...]:
    """Returns the findings with their ids, each of which is unique."""
    old = {finding.finding_id: finding for finding in assignment.findings}
    names: list[Finding] = []
    made = 0
    for finding in found:
        known = _known_id(finding, old)
        if known is None:
            made += 1
        else:
            del old[known]
        names.append(replace(finding, finding_id=known or f"a{assignment.attempt}f{made}"))
    return tuple(names)


def _known_id(finding: Finding, old: dict[str, Finding]) -> str | None:
    if finding.finding_id in old:
        return finding.finding_id
    key = _key(finding)
    return next((name for name, before in old.items() if _key(before) == key), None)


def _key(finding: Finding) -> tuple[str, str]:
    issue = _DURATION.sub("", finding.issue.casefold())
    return finding.file.strip(), " ".join(issue.split())

"""The end of each prompt: the request for the JSON, with an example.

Invariant: nothing follows it, and no example is a valid verdict. Where a word must be chosen, the example lists
all choices, so an agent that echoes its prompt gives no verdict.
"""

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from swarm_worker.domain.model import Finding
from swarm_worker.domain.reply_rules import STATUS_CHOICES, VERDICT_CHOICES
from swarm_worker.prompts.quote import fenced, single_line

FINDINGS: Final = 50
ID_CHARS: Final = 60

_ENDING: Final = (
    "\n# How to end\nEnd your last message with exactly one JSON object of this form, on a line of its own and with "
    "nothing after it{more}. {choice}\n\n"
)


def builder_ending(findings: Sequence[Finding]) -> str:
    """Returns the request for a builder's JSON, which must answer each finding."""
    return _for_builder(tuple(map(_short_id, findings[:FINDINGS])))


def validator_ending(findings: Sequence[Finding]) -> str:
    """Returns the request for a validator's JSON; a finding that is still true keeps its id."""
    return _for_validator(_short_id(findings[0]) if findings else None)


# Most attempts have no findings and share one ending.
@lru_cache(maxsize=16)
def _for_builder(finding_ids: tuple[str, ...]) -> str:
    answers = [
        {"finding_id": finding_id, "kind": "fixed | disputed", "why": "how you mended it, or why it is wrong"}
        for finding_id in finding_ids
    ]
    example: dict[str, object] = {
        "status": STATUS_CHOICES,
        "files_created": ["path"],
        "files_modified": ["path"],
        "tests_written": True,
        "tests_passed": True,
        "implementation_notes": "what you did, what you decided and why, and what those who build on it must know",
        "blockers": [],
        "questions": [],
    }
    choice = (
        "`status` is one of the three words. Any other than `completed`, a blocker, or `tests_passed` false means that "
        "the task is not done; `tests_passed` is null if there is nothing to test. If only a person can decide, end "
        'with `blocked` and ask in `questions`, each `{"text": "…", "options": ["…"]}`. The answer comes with the '
        "next attempt."
    )
    more = "; `answers` has an entry for each finding that you were given" if answers else ""
    return _ending(example | ({"answers": answers} if answers else {}), choice=choice, more=more)


@lru_cache(maxsize=16)
def _for_validator(finding_id: str | None) -> str:
    issue = {
        "file": "path",
        "issue": "what is wrong, and how it shows",
        "severity": "critical | major | minor",
    }
    more = "; `critical_issues` is `[]` with PASS, and lists what is wrong with FAIL"
    if finding_id is not None:
        issue = {"finding_id": finding_id, **issue}
        more += ", and `finding_id` stands only with a finding from above that still holds"
    example: dict[str, object] = {
        "verdict": VERDICT_CHOICES,
        "confidence": 0.9,
        "critical_issues": [issue],
        "test_quality_score": 7,
        "recommendations": ["what would be better"],
        "summary": "your judgement in a few sentences",
    }
    choice = "`verdict` is the word PASS or the word FAIL; anything else counts as no verdict."
    return _ending(example, choice=choice, more=more)


def _ending(example: dict[str, object], *, choice: str, more: str) -> str:
    block = fenced(json.dumps(example, indent=2, ensure_ascii=False)).replace("\n", "json\n", 1)
    return f"{_ENDING.format(choice=choice, more=more)}{block}\n"


def _short_id(finding: Finding) -> str:
    return single_line(finding.finding_id, ID_CHARS)

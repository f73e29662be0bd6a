"""Rules for the final JSON of builders and validators: which words mean success, and which values mean nothing.

Invariant: a reply counts as success only if nothing in it says otherwise.
"""

import re
from typing import Final

from swarm_worker.domain.model import BuilderResult

# The examples in prompts list all choices, so an agent that echoes its prompt reports nothing.
STATUS_CHOICES: Final = "completed | partial | blocked"
VERDICT_CHOICES: Final = "PASS | FAIL"

COMPLETED_WORDS: Final = frozenset(
    (
        "completed",
        "complete",
        "done",
        "finished",
        "success",
        "succeeded",
        "successful",
        "ok",
        "passed",
        "pass",
        "implemented",
        "fixed",
    )
)
BLOCKED_WORDS: Final = frozenset(("blocked", "needs_input", "needs input", "partial"))
_FAILED_WORDS: Final = frozenset(("failed", "failure", "incomplete", "not done", "not_done", "unfinished"))
_FILLERS: Final = frozenset(("all", "successfully", "fully", "and", "task", "tests", "tested", "verified"))
_NOTHING: Final = frozenset(
    ("", "none", "no", "nothing", "n/a", "na", "nil", "null", "false", "0", "{}", "[]")
)
# "No blockers encountered", "None at this time", "None - all work completed"; "None of the tests pass" says much.
_NOTHING_TO_SAY: Final = re.compile(
    r"(?:no|none|zero)(?: (?:critical|major|blocking|open|remaining|known|other|significant))*"
    r"(?: (?:blockers?|issues?|problems?|findings?))?"
    r"(?: (?:were |was )?(?:encountered|found|identified|remain(?:ing)?|known|detected|reported|at this time|so far))*"
    r"|not applicable|none(?: at this time)?\s*[-\u2013\u2014:,;]\s*all (?:\w+ )*(?:completed?|done|passed|pass)"
)


def means_nothing(text: str) -> bool:
    """Returns True for a placeholder in a list that should be empty, such as "none" or "n/a"."""
    words = text.strip().strip(".!-\u2013\u2014").strip().casefold()
    return words in _NOTHING or _NOTHING_TO_SAY.fullmatch(words) is not None


def plain_key(key: str) -> str:
    """Returns a key without case and punctuation: "criticalissues" for "Critical_Issues" and "criticalIssues"."""
    return re.sub(r"[\W_]+", "", key).casefold()


def is_completed_status(status: str) -> bool:
    """Returns True if a builder's status is absent or words for success; case and punctuation are ignored."""
    words = re.findall(r"[^\W_]+", status.casefold())
    if not words:
        return not status.strip(" .!")
    return not COMPLETED_WORDS.isdisjoint(words) and COMPLETED_WORDS.union(_FILLERS).issuperset(words)


def is_blocked_status(status: str) -> bool:
    """Returns True if a builder's status says that it is blocked."""
    return status.strip(" .!*_`").casefold() in BLOCKED_WORDS


def is_report_status(status: str) -> bool:
    """Returns True if a status is one of the words by which builders end."""
    word = status.strip(" .!*_`").casefold()
    return is_completed_status(status) or word in BLOCKED_WORDS or word in _FAILED_WORDS


def real_blockers(result: BuilderResult) -> tuple[str, ...]:
    """Returns the builder's blockers without placeholders."""
    return tuple(blocker for blocker in result.blockers if not means_nothing(blocker))


def names_blockers(result: BuilderResult) -> bool:
    """Returns True if the builder says that it is blocked, by its status, a blocker or a question."""
    return bool(real_blockers(result) or result.questions) or is_blocked_status(result.status)


def unfinished_reason(result: BuilderResult) -> str:
    """Returns why the builder's own report denies that the task is completed; empty if it does not."""
    blockers = real_blockers(result)
    if not is_completed_status(result.status):
        reason = f"the builder reports {result.status!r}"
    elif blockers:
        reason = "the builder reports blockers"
    elif result.questions:
        reason = "the builder asks"
    elif result.tests_passed is False:
        reason = "the builder reports that tests fail"
    else:
        return ""
    asked = "; ".join(question.text for question in result.questions)
    details = "; ".join(blockers) or asked or result.implementation_notes
    return f"{reason}: {details}" if details else reason

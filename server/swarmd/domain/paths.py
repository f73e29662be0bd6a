"""Paths and commands of tasks, as models write them: texts that can't name a file are refused.

Invariant: a text that a real project may use as a name is never refused: `app/[id]/page.tsx`,
`app/(auth)/page.tsx`, `routes/$post.tsx`, `docs/read me.md`. Where a name is possible but unlikely, the text is
a warning.
"""

import re
from pathlib import PurePosixPath
from typing import Final

_Rules = tuple[tuple[re.Pattern[str], str], ...]
_QUOTED_LIMIT: Final = 60
# Private to git, and to the swarm: no task may declare files there, except prompts.
_PRIVATE: Final = frozenset({".git", ".swarm"})
_PROMPTS: Final = (".swarm", "prompts")

_WILDCARDS: Final = r"[*?]"
_REFUSED: Final = tuple(
    (re.compile(pattern), problem)
    for pattern, problem in (
        (r"`", "has backquotes; write the name alone"),
        (r"^[A-Za-z][A-Za-z0-9+.-]*://", "is a URL; name a file of the project"),
        (r"^[A-Za-z]:([\\/]|$)", "begins with a drive; write it relative to the project, with /"),
        (r"\\", "has backslashes; write / between folders"),
        (
            r"^\$([A-Z_][A-Z0-9_]*|\{[^}]*\})(/|$)|\$\{",
            "has a variable, which nothing replaces; write the path out",
        ),
        (_WILDCARDS, "is a pattern; name each file"),
        (r"\{[^{}/]*(,|\.\.)[^{}/]*\}", "is a pattern; name each file"),
        (r"::", "names a part of a file; name the file alone"),
        (
            r"(?<=[^\d\s]):L?\d+([-:,–]L?\d+)*$|#L?\d+(C\d+)?([-–]L?\d+(C\d+)?)?$",
            "names lines of a file; name the file alone",
        ),
        (r"<[^<>]+>", "has a placeholder; name the file"),
        (r"\]\([^)]*\)", "is a Markdown link; write the path alone"),
        (r"^(['\"]).*\1$", "is in quotes; write the name alone"),
        (r"^\s|\s$", "has a blank at an end; remove it"),
        (r"(^|/)\.\.\.(/|$)", "has an ellipsis; name the file"),
    )
)
_REFUSED_OF_PATTERNS: Final = tuple(rule for rule in _REFUSED if rule[0].pattern != _WILDCARDS)
_ODD: Final = tuple(
    (re.compile(pattern), problem)
    for pattern, problem in (
        (r"\s[(\[][^()\[\]]*[)\]]$", "ends with a note in brackets; is that a part of the name?"),
        (r"\.\w{1,8}\s+(#|//|--|–|—|-|:)\s", "has a note; is that a part of the name?"),
        (r"\s(->|=>|→)\s", "names two files; is that a part of the name?"),
        (r"\.\w{1,8}\s*[,;]\s*\S", "names several files; give each an entry of its own"),
        (r"\.\w{1,8}\s+(and|or|&|lines?|new|NEW)\b", "has a note; is that a part of the name?"),
        (r"^[-+•]\s", "begins like a list; is that a part of the name?"),
        (
            r"(?i)^(new|add|file|files)\s*:\s|^(create|modify|update|edit|delete|remove)\b:?\s+\S*[./]",
            "begins with a note; write the name alone",
        ),
        (r"\.\w{1,8}:[A-Za-z_]\w*(\(\))?$", "names a part of a file; name the file alone"),
        (r"\.\w{1,8}@\w+$", "names a version of a file; name the file alone"),
        (
            r"(?i)^(n/?a|none|tbd|todo|null|various|etc\.?)$",
            "does not look like a file; leave the list empty",
        ),
    )
)
_COMMANDS_REFUSED: Final = tuple(
    (re.compile(pattern, re.DOTALL), problem)
    for pattern, problem in (
        (r"^\s*```", "is a Markdown block; write the command alone"),
        (r"^\s*`[^`]*`\s*$", "is in backquotes: the shell would run what it prints; write the command alone"),
        (r"^\s*[$>%]\s+\S", "begins with a prompt; write the command alone"),
        (r"^\s*[A-Za-z][A-Za-z0-9+.-]*://\S*\s*$", "is a URL; write a command"),
    )
)
_COMMANDS_ODD: Final = tuple(
    (re.compile(pattern), problem)
    for pattern, problem in (
        (r"[“”‘’]", "has typographic quotes, which the shell takes for letters"),
        (r"(^|[\s\"'=])[A-Za-z]:\\", "has a path with a drive, which this system does not know"),
        (
            r"(^|\s)\.?[\w.-]*\w\\\w[\w.-]*\\?\w*\.\w+",
            "has backslashes between folders, which the shell removes",
        ),
        (
            r"(^|\s)\S+\.\w{1,8}:\d+-\d+(\s|$)|(^|\s)\S+\.\w{1,8}#L\d+",
            "names lines of a file, which commands take for a name",
        ),
        (r"\s\([a-z][^()$|&;]*\)\s*$", "ends with a note in brackets, which the shell can't read"),
    )
)


def path_problem(text: str) -> str | None:
    """Returns why the text can't name a file of the project, with the remedy; None if it can."""
    return _path_problem(text, _REFUSED)


def pattern_problem(text: str) -> str | None:
    """Returns why the text can't name files of the project, one by its path or several by `*` and `?`."""
    return _path_problem(text, _REFUSED_OF_PATTERNS)


def _path_problem(text: str, refused: _Rules) -> str | None:
    path = PurePosixPath(text)
    if not text.strip() or path.is_absolute() or ".." in path.parts or text.startswith("~"):
        return "must be a relative path inside the project"
    if (problem := _first(refused, text)) is not None:
        return problem
    private = next((part.lower() for part in path.parts if part.lower() in _PRIVATE), None)
    if private is not None and path.parts[:2] != _PROMPTS:
        return f"{quoted(text)} lies in {private}, which is not for tasks; name a file of the project"
    if not path.parts:
        return f"{quoted(text)} is the project itself; name a file in it"
    return None


def path_warning(text: str) -> str | None:
    """Returns why the text is unlikely to name a file; None if it is not."""
    return _first(_ODD, text)


def command_problem(text: str) -> str | None:
    """Returns why the text can't be a check, with the remedy; None if it can."""
    if all(not line.strip() or line.lstrip().startswith("#") for line in text.splitlines()):
        return f"{quoted(text)} is only a comment, which always passes; write a command"
    return _first(_COMMANDS_REFUSED, text)


def command_warning(text: str) -> str | None:
    """Returns why the text is unlikely to work as a check; None if it is not."""
    return _first(_COMMANDS_ODD, text)


def _first(rules: _Rules, text: str) -> str | None:
    return next((f"{quoted(text)} {problem}" for pattern, problem in rules if pattern.search(text)), None)


def quoted(text: str) -> str:
    """Returns the text in quotes for a message: printable, and cut after 60 characters."""
    shown = "".join(char if char.isprintable() else "\ufffd" for char in text[:_QUOTED_LIMIT])
    return f'"{shown}…"' if len(text) > _QUOTED_LIMIT else f'"{shown}"'

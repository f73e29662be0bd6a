"""The lines around a provider's usage limit: which line is the whole message, and which lines only follow it.

Invariant: with exit code 0 only a line that begins as a provider's message counts; a sentence about limits does not.
"""

import json
import re
from typing import Final

from swarm_worker.runners.limit_words import ENGLISH, FOREIGN

# The words of a message stand in its first characters.
HEAD_CHARS: Final = 1_000
# Words that stand before the phrase of a limit; prose about a task has verbs there.
_SUBJECT: Final = (
    r"(?:(?:claude|ai|codex|gemini|gpt|copilot|cursor|opus|sonnet|haiku|openai|anthropic|the|this|selected|your?|sorry|"
    r"you['’]?(?:ve|re)|we['’]?re|have|has|been|being|are|was|is|not|quota|concurrency|fair|use|usage|we|currently|for|logged|in|api|error|http|status|code|request|provider|monthly|weekly|daily|hourly|extra|"
    r"max|spend|ratelimit|oauth|token|revoked|"
    r"\d+-hour|\d{3})\b[\s\W]*)*"
)
_LABEL: Final = re.compile(
    r"\W*(?:failed to authenticate\W+)?(?:\S*\d\d:\d\d\S*\s+)?"
    r"\W*(?:(?:api|stream|http|request|server|provider|fatal|unexpected|codex)\s+)?[\w.]*"
    r"(?:error|exception|exhausted|fehler|erreur|errore|erro|fout|błąd|chyba|eroare|hiba|hata|fel|fejl|feil|virhe|"
    r"kesalahan|lỗi|ошибка|помилка|σφάλμα|שגיאה|خطأ|错误|錯誤|エラー|오류)"
    r"(?:\W*[:：]|\W{1,3}429\b| from provider\b)",
    re.IGNORECASE,
)
_REST: Final = (
    r"(?=\s*(?:$|[^\w\s'\"’`]|(?:for|on|in|at|after|until|you|that|right now|too many|resets?|try|retry|please|before|"
    r"errors?|to access)\b))"
)
# A claim of work done, a report of what a program says, or a quotation.
_CLAIM: Final = re.compile(
    r"\b(?:(?<!upgrade )(?<!right )now|tests?|pass(?:es|ed)?|fixed|added|implemented|handled|done|is sent)\b",
    re.IGNORECASE,
)
_FOREIGN_CLAIM: Final = re.compile(
    r"\b(?:tests?\w*|testet|jetzt|meldet|zeigt|antwortet|liefert|behoben|ergänzt|maintenant|affiche|renvoie|indique|"
    r"ajouté|corrigé|ahora|muestra|devuelve|responde|añadid\w+|corregid\w+|agora|mostra|retorna|responde|adicion\w+|"
    r"corrigid\w+|adesso|restituisce|aggiunt\w+|nu|toont|geeft|toegevoegd|teraz|zwraca|dodan\w*|теперь|возвращает|"
    r"показывает|добавлен\w*|исправлен\w*|artık|döndürür|gösterir|eklendi|function|class|def)\b"
    r"|添加|增加了|实现|實現|修复|修復|测试|測試|返回|显示|顯示|函数|実装|追加し|修正|テスト|返し|返す|表示|場合|とき|時に|"
    r"추가|구현|수정|테스트|반환|표시|경우|[\"“”„«»「『`]",
    re.IGNORECASE,
)
# A message in another language may have this many words before its phrase, or characters where words have no spaces.
HEAD_WORDS: Final = 5
HEAD_FOREIGN_CHARS: Final = 40
_ASSERTION: Final = re.compile(
    r"\bAssert(?:ion)?Error\b|^\W*(?:FAILED|PASSED|ERROR) \S+::|^E\s{2,}|^\W*--- FAIL|\bassert \S+ (?:==|in)\b"
)
# Stack frames, properties and brackets of an error that was printed as an object, and the totals of a session.
_FOLLOWS: Final = re.compile(
    r"at \S.*[:(]\S*\d+\)?|at (?:async )?[\w.<>$ ]+ ?\(.*\)|File \".*\", line \d+.*|\^+|[\W_]+|[\d.,]+"
    r"|[\"']?[\w-]+[\"']?: ?(?:\"[^\"]*\"|'[^']*'|-?[\d.]+|true|false|null|undefined|[\[{(].*)?,?"
    r"|(?:total )?(?:tokens|cost|session|duration)(?: (?:used|id))?\b[: ]*(?:\S+)?"
    r"|(?:(?:please )?(?:try again|retry|wait|visit|upgrade)|(?:(?:it|your limit) )?(?:will )?resets?|https?)\b.*"
    r"|\(node:\d+\) .*|\(Use `node --trace.*",
    re.IGNORECASE,
)


def is_assertion(line: str) -> bool:
    """Returns whether the line is a test's failure, which can quote any text."""
    return _ASSERTION.search(line) is not None


def only_follows(line: str) -> bool:
    """Returns whether the line belongs to an earlier error or to the session's totals, and so says nothing itself."""
    return len(line) <= HEAD_CHARS and _FOLLOWS.fullmatch(line.strip()) is not None


def is_message(line: str) -> bool:
    """Returns whether the whole line is a message of a limit."""
    if (error := _json_error(line)) is not None:
        return error and (ENGLISH.search(line) or FOREIGN.search(line)) is not None
    line = line[:HEAD_CHARS]
    return _is_english_message(line) or _is_foreign_message(line)


def _is_english_message(line: str) -> bool:
    if ENGLISH.search(line) is None or _CLAIM.search(line):
        return False
    if _LABEL.match(line):
        return True
    return re.match(rf"\W*{_SUBJECT}(?:{ENGLISH.pattern}){_REST}", line, re.IGNORECASE) is not None


def _is_foreign_message(line: str) -> bool:
    """Returns whether the line begins with the phrase, or with a few words before it, and reports nothing else."""
    found = FOREIGN.search(line)
    if found is None or _FOREIGN_CLAIM.search(line) or _CLAIM.search(line):
        return False
    head = line[: found.start()]
    label = _LABEL.match(line)
    head = head[label.end() :] if label else head
    return len(head) <= HEAD_FOREIGN_CHARS and len(re.findall(r"\w+", head)) <= HEAD_WORDS


def _json_error(line: str) -> bool | None:
    """Returns whether the line is a JSON object that reports an error; None if the line is none."""
    if not line.lstrip().startswith("{"):
        return None
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    return value.get("is_error") is True or bool(value.get("error")) or value.get("type") == "error"

"""The words with which agents and providers report a usage limit, in English and in the languages of their users.

Invariant: only phrases that agents are known to print count. A task about rate limits must not look like a limit, so
`limit_lines` says which lines are read, and words that quote code, other services or a condition do not count.
"""

import re
from typing import Final, NamedTuple

# From public reports of Claude Code, Codex, Gemini CLI, Copilot, Cursor, aider, OpenCode, and of the providers' APIs.
_LIMITED: Final = (
    (
        r"you(?:['’]?ve| have)? (?:hit|reached|exceeded) (?:your|the|a) (?:[\w.'’-]+ ){0,4}"
        r"(?:limit|quota|allowance|usage|rate)s?\b"
    ),
    (
        r"\b(?:usage|session|weekly|daily|monthly|hourly|\d+[ -]hour|opus|sonnet|plan|message|request|token|capacity)s?"
        r"[ _]limits? ?(?:was |has been |have been |is |_)?(?:reached?|exceeded|hit)\b"
    ),
    r"\blimits? (?:reached|will reset)\b",
    (
        r"\b(?:your (?:[\w'’-]+ ){0,2}(?:limit|cap)"
        r"|(?:usage|request|message|fair[ -]use|concurrency|credit) (?:limit|cap)|quota|allowance|credits)\b"
        r"(?:(?!\bnot\b)[^.!?;\n]){0,40}?\b(?:reached|exceeded|exhausted|hit|used up)\b"
    ),
    r"\breached (?:the|your) maximum (?:number|amount) of (?:messages|requests|tokens)\b",
    r"\byou have no (?:remaining|more) (?:requests|messages|credits|tokens|usage)\b",
    r"\brate[ _-]?limit(?:[ _-]?(?:error|exceeded|reached)|s? (?:was |has been )?(?:reached|exceeded|hit))",
    r"\bexceed(?:ed|s)?\b.{0,60}\b(?:rate|quota|usage)[ _-]limits?\b",
    r"\brate[ _-]limited\b|\b429 (?:quota|rate|too)\b",
    r"\btoo[ _]many[ _](?:concurrent[ _])?requests\b",
    r"\b(?:status|error|code|http(?:/\d(?:\.\d)?)?)(?:\W{1,4}(?:code|status|was|is|of))?\W{1,4}429\b",
    r"\bexceeded retry limit\b",
    r"\b429\b\W{0,3}(?=\{)",
    r"\b(?:request rejected|rate/quota limit) \(429\)",
    r"\b(?:is|was|been|being|request was) throttled\b",
    r"\bmax(?:imum)? organization (?:concurrency|rpm|tpm|rpd)\b",
    r"\bresource(?:[ _]?| has been | was | is )exhausted\b",
    r"\byou(?:['’]?re| are| have run) out of (?:[\w-]+ ){0,2}(?:usage|quota|tokens|requests|messages)\b",
    (
        r"\byou(?:['’]?ve| have)? used (?:up|all)(?: of)? your (?:[\w-]+ ){0,3}"
        r"(?:usage|quota|requests|messages|tokens|allowance|limit)\b"
    ),
    r"\bthrottl(?:ing|ed)(?:[_ ]?(?:Exception|error)\b|\.\w+Quota\b)|\btoo many tokens(?: per \w+)?, please wait\b",
    r"\b(?:model|claude|service|provider) is (?:currently |temporarily )?at capacity\b|\btier capacity exceeded\b",
    r"\b(?:currently )?experiencing (?:very )?high (?:demand|load|traffic)\b",
    r"\b(?:spend(?:ing)? (?:cap|limit)|max usage|free usage) (?:was |has been )?(?:reached|exceeded|hit)\b",
    r"\b(?:engine_)?overloaded(?:_error|error)\b|\b529\b.{0,20}\boverloaded\b",
    r"\b(?:model|server|provider|api|service|engine) is (?:currently |temporarily )?overloaded\b",
    r"\bquota (?:was |has been )?(?:exceeded|exhausted|will reset)\b",
    r"\bexhausted your (?:[\w-]+ ){0,3}(?:quota|capacity|limit|credits)\b",
    r"\bretry-after(?:-ms)?[\"']?:\s*[\"']?(?:\d[\d.]*|[a-z]{3}, \d.{1,16} [\d:]{8} gmt)",
)
# These do not pass by themselves, unless the same line names a time.
_DENIED: Final = {
    r"\binsufficient_quota\b|\bcheck your plan and billing\b|\bcredit balance is too low\b"
    r"|\b(?:run|are|['’]re) out of credits\b|\binsufficient (?:credits|balance)\b|\b402 payment required\b": (
        "raise the provider's quota, or pay for more"
    ),
    r"\bplease run /login\b|\bincorrect api key provided\b|\binvalid api key\b|\boauth token has expired\b": (
        "log the agent in, or pass a valid key with --pass-env NAME"
    ),
}


class _Words(NamedTuple):
    """The words of one language: what is limited, that it is reached or used up, and "too many requests"."""

    limit: str
    reached: str
    too_many: str


_LANGUAGES: Final = {
    "de": _Words(
        r"limit|kontingent|(?:nutzungs|anfrage|tages|wochen)grenze|maximale anzahl|höchstzahl",
        r"erreicht|überschritten|aufgebraucht|ausgeschöpft|erschöpft|verbraucht",
        r"zu viele (?:anfragen|anforderungen|aufrufe)",
    ),
    "fr": _Words(
        r"limite|quota|plafond|nombre maxim",
        r"attein(?:t|dre)|dépassé|épuisé",
        r"trop de (?:requêtes|demandes|messages)",
    ),
    "es": _Words(
        r"l[íi]mite|cuota|cupo|número máximo",
        r"alcanz(?:ad[oa]|aste|ó)|super(?:ad[oa]|aste|ó)|excedi(?:d[oa]|ste|ó)|agot(?:ad[oa]|aste|ó)",
        r"demasiad[ao]s (?:solicitudes|peticiones)",
    ),
    "pt": _Words(
        r"limite|cota|quota|número máximo",
        r"atingi(?:u|do|da)|excede(?:u|ram)|excedid[oa]|ultrapass(?:ou|ado|ada)|esgot(?:ou|ado|ada)|alcançad[oa]",
        r"(?:muitas|demasiadas) (?:solicitações|requisições)|(?:muitos|demasiados) pedidos",
    ),
    "it": _Words(
        r"limite|quota|numero massimo",
        r"raggiunt[oa]|superat[oa]|esaurit[oa]",
        r"troppe (?:richieste|chiamate)",
    ),
    "nl": _Words(
        r"limiet|quot(?:a|um)|maximum aantal",
        r"bereikt|overschreden|opgebruikt|verbruikt",
        r"te veel (?:verzoeken|aanvragen)",
    ),
    "pl": _Words(
        r"limit|kwot[ayę]|przydział",
        r"osiągn|przekrocz|wyczerp|wykorzystan",
        r"(?:zbyt|za) (?:wiele|dużo) (?:żądań|zapytań|próśb)",
    ),
    "cs": _Words(r"limit|kvót[auy]", r"dosaž|dosáh|překroč|vyčerp", r"příliš mnoho (?:požadavků|žádostí)"),
    "ro": _Words(r"limit[aăe]|cot[aăe]", r"atins|depășit|epuizat", r"prea multe (?:cereri|solicitări)"),
    "hu": _Words(r"korlát|kvót|keret", r"elért|túllép|kimerült|elfogyott", r"túl sok kérés"),
    "tr": _Words(r"limit|kota|sınır", r"ulaştı|ulaşıldı|aştı|aşıldı|doldu|tükendi|bitti", r"çok fazla istek"),
    "sv, da, no": _Words(
        r"gräns|grense|grænse|kvot",
        r"nått|nåtts|nådd|nået|överskrid|overskred|brugt|brukt|förbrukad",
        r"för många (?:förfrågningar|begäranden)|for mange (?:forespørsler|anmodninger)",
    ),
    "fi": _Words(r"raja|kiintiö", r"saavut|ylitt|täyttynyt|käytetty loppuun", r"liian monta pyyntöä"),
    "id": _Words(
        r"batas|kuota|limit",
        r"tercapai|mencapai|terlampaui|melampaui|melebihi|habis",
        r"terlalu banyak permintaan",
    ),
    "vi": _Words(r"giới hạn|hạn mức", r"đạt|vượt|đã hết|dùng hết", r"quá nhiều yêu cầu"),
    "ru": _Words(
        r"лимит|квот|ограничени",
        r"исчерпа|превы[шс]|достиг|израсходован",
        r"слишком много запросов|закончились (?:сообщения|запросы|токены)",
    ),
    "uk": _Words(r"ліміт|квот", r"вичерпа|перевищ|досяг", r"забагато запитів|занадто багато запитів"),
    "el": _Words(r"όριο|ορίου", r"φτάσ|συμπληρώ|υπερβ|ξεπερ|εξαντλ", r"πάρα πολλά αιτήματα"),
    "he": _Words(r"מגבל|מכס", r"הגעת|חרגת|נוצל|הסתיימ", r"יותר מדי בקשות"),
    "ar": _Words(r"حد|حصة|الحصة", r"وصلت|بلغت|تجاوز|استنفد|نفد", r"(?:طلبات|الطلبات) (?:كثيرة|أكثر)"),
    "hi": _Words(r"सीमा|कोटा", r"पहुँच|पहुंच|पार|समाप्त|खत्म", r"बहुत (?:अधिक|सारे|ज़्यादा) अनुरोध"),
    "th": _Words(r"ขีดจำกัด|โควต้า|โควตา", r"ถึง|เกิน|หมด|ครบ", r"คำขอมากเกินไป"),
}
# Between what is limited and that it is reached: no end of a sentence, and no denial.
_NOT: Final = (
    r"(?:\b(?:nicht|kein\w*|nie|pas|jamais|no|nunca|não|nao|non|mai|niet|geen|ikke|inte|не|değil|bez|not|never|nu|ei|"
    r"chưa|không|tidak|belum)\b|לא|لم|नहीं|ไม่)"
)
_GAP: Final = rf"(?:(?!{_NOT})[^.!?;\n]){{0,60}}?"
_CJK_GAP: Final = r"[^。！？；\n不未没沒]{0,24}?"
_CJK: Final = (
    # Chinese
    (
        rf"(?:已|达到|達到|超出|超过|超過|超限|触发|觸發){_CJK_GAP}"
        r"(?:速率|频率|頻率|使用|用量|请求|請求|调用|額度|额度|配额|配額|限额|限額|套餐|消息|訊息)"
        r"(?:的)?(?:量)?(?:上限|限制|限额|限額|配额|配額)"
    ),
    (
        rf"(?:速率限制|使用上限|用量|额度|額度|配额|配額|限额|限額|次数|次數|使用量){_CJK_GAP}"
        r"(?:已达|已達|达到|達到|超出|超过|超過|超限|用完|用尽|用盡|耗尽|耗盡|不足)"
    ),
    r"(?:用完|用尽|用盡|耗尽|耗盡)[^。！？；\n]{0,12}?(?:额度|額度|配额|配額|限额|限額|套餐|次数|次數)",
    r"(?:请求|請求|调用|訪問|访问)(?:频率|頻率|次数|次數|量)?[^。\n不]{0,4}?(?:过于频繁|過於頻繁|过高|過高|过多|過多|过大|過大|太多|太频繁)",
    # Japanese
    (
        r"(?:制限|上限|リミット|クォータ|利用枠|使用枠|割り当て)(?!値)"
        r"[^。！？\nなまず]{0,16}?(?:達し|達しました|到達|超え|超過|使い切)"
    ),
    r"リクエスト(?:数)?が(?:多すぎ|制限)",
    # Korean
    r"(?:한도|제한|할당량|쿼터)[^.!?\n않안]{0,16}?(?:도달|초과|소진|다 사용)",
    r"요청이 너무 많",
)


def _foreign() -> str:
    """Returns the pattern of the languages other than English."""
    parts = list(_CJK)
    for limit, reached, too_many in _LANGUAGES.values():
        parts += [
            rf"(?:{limit})\w*{_GAP}(?<!\w)\w{{0,6}}(?:{reached})",
            rf"(?<!\w)\w{{0,6}}(?:{reached})\w*{_GAP}(?:{limit})",
            too_many,
        ]
    return "|".join(parts)


ENGLISH: Final = re.compile("|".join([*_LIMITED, *_DENIED]), re.IGNORECASE)
FOREIGN: Final = re.compile(_foreign(), re.IGNORECASE)
_ANY_DENIED: Final = tuple((re.compile(words, re.IGNORECASE), remedy) for words, remedy in _DENIED.items())
_ANY_LIMITED: Final = re.compile("|".join(_LIMITED), re.IGNORECASE)

# Words before a phrase in the same sentence that make it a condition: "the client waits when the limit is reached".
CONDITION: Final = re.compile(
    r"(?:\b(?:if|when|whenever|once|unless|until|wenn|falls|sobald|quand|lorsque|cuando|quando|gdy|jeśli|если|когда|"
    r"якщо|коли|wanneer|eğer|när|når|hvis|jos|když|dacă|khi|jika|apabila|saat)\b|如果|若|[当當](?!前))[^.!?。！？]*$",
    re.IGNORECASE,
)
# A name from code beside the phrase, services that are no provider of a model, and limits of other things.
_ELSEWHERE: Final = re.compile(
    r"\b(?:Import|Name|Attribute|Type|Syntax|Reference|ModuleNotFound|Key|Value|Recursion)Error\b"
    r"|\bcan(?:['’]?t|not) (?:find|import|resolve)\b|\bis not defined\b|\bno member\b"
    r"|\bnpm (?:ERR!|error)|\btoomanyrequests:|\bpull rate limit\b|\bAPI rate limit exceeded for\b"
    r"|\b(?:pypi|crates\.io|docker\.io|rubygems)\b"
    r"|(?i:\b(?:time|memory|disk|stack|heap|context|recursion|length|size|depth|(?<!exceeded )retry|file|input token)"
    r"[ -](?:limit|quota)s?\b|\b(?:zeit|speicher|größen|längen)(?:limit|grenze|kontingent)"
    r"|\blimite? d[ei] (?:mémoire|memoria|temps|tiempo|tempo|longueur)\b|лимит (?:времени|памяти)"
    r"|(?:时间|時間|内存|文件大小)(?:超出)?限制)"
)


def denial_remedy(text: str) -> str:
    """Returns what a person has to do if the text reports a refusal that does not pass; empty if it does not."""
    return next((remedy for words, remedy in _ANY_DENIED if words.search(text)), "")


def reports_limit(text: str) -> bool:
    """Returns whether the text has the words of a limit that passes."""
    return _ANY_LIMITED.search(text) is not None or FOREIGN.search(text) is not None


def is_elsewhere(text: str) -> bool:
    """Returns whether the text is about code, another service or another kind of limit than a provider's."""
    return _ELSEWHERE.search(text) is not None


def is_conditional(text: str) -> bool:
    """Returns whether each phrase of the text stands in a condition."""
    found = [match for words in (ENGLISH, FOREIGN) for match in words.finditer(text)]
    return bool(found) and all(CONDITION.search(text[: match.start()]) for match in found)

"""Texts of usage limits from public reports are recognised with their waits, in many languages; other talk is not."""

from datetime import UTC, datetime

import pytest

from swarm_worker.domain.model import FailureClass
from swarm_worker.domain.types import Role
from swarm_worker.output.lines import OutputLine
from swarm_worker.runners.command_reader import CommandReader
from swarm_worker.runners.limit_times import MAX_LIMIT_S, SLACK_S, wait_of
from swarm_worker.runners.reader import Report
from swarm_worker.runners.usage_limits import find_limit, is_limit_message

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
HOUR = 3600.0

# By the program or provider that prints them, as in public reports, with times moved to the day of NOW.
REPORTED = [
    # Claude Code
    ("You've hit your limit · resets 3pm (Europe/Berlin)", 2 * HOUR + SLACK_S),
    ("You've hit your session limit · resets 6:30pm (Asia/Calcutta)", HOUR + SLACK_S),
    ("You've hit your limit · resets Nov 30 at 9am (America/New_York)", 2 * HOUR + SLACK_S),
    ("You've hit your weekly limit · resets Mon 1:00pm (UTC)", HOUR + SLACK_S),
    ("You've hit your weekly limit · resets Tue 12:00am (UTC)", MAX_LIMIT_S),
    ("You've hit your Opus limit · resets 2pm (UTC)", 2 * HOUR + SLACK_S),
    ("Claude usage limit reached. Your limit will reset at 9am (America/Chicago).", 3 * HOUR + SLACK_S),
    ("Claude usage limit reached. Your limit will reset at 8am (Etc/GMT+5).", HOUR + SLACK_S),
    ("⎿  Claude usage limit reached. Your limit will reset at 6:30pm IST.", HOUR + SLACK_S),
    ("You’ve hit your limit for Claude messages. Limits will reset at 2:30 PM (UTC).", 2.5 * HOUR + SLACK_S),
    (
        "5-hour limit reached · resets 2pm (UTC) · /upgrade to Max 20x or turn on /extra-usage",
        2 * HOUR + SLACK_S,
    ),
    ("You're out of extra usage · resets 10pm (Asia/Seoul)", HOUR + SLACK_S),
    ("API Error: Request rejected (429) · Rate limited. Please try again later.", None),
    (
        (
            'API Error (429 {"type":"error","error":{"type":"rate_limit_error","message":"This request would exceed'
            " your account's rate limit. Please try again later.\"}}) · Retrying in 2892 seconds… (attempt 1/10)"
        ),
        2892.0,
    ),
    ('API Error: 529 {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}', None),
    # Codex
    (
        (
            "■ You've hit your usage limit. Upgrade to Pro (https://openai.com/chatgpt/pricing) or try again in 2 hours"
            " 11 minutes."
        ),
        2 * HOUR + 660,
    ),
    ("You've hit your usage limit. Upgrade to Plus, or try again in 3h 12m.", 3 * HOUR + 720),
    (
        (
            "You have reached your usage limit. Upgrade your plan or add credits to continue, or try again after"
            " November 30, 2026 at 2:45 PM UTC."
        ),
        2.75 * HOUR + SLACK_S,
    ),
    (
        "You've hit your usage limit. Upgrade your plan to continue, or try again at Nov 30th, 2026 1:05 PM UTC.",
        3960.0,
    ),
    ("exceeded retry limit, last status: 429 Too Many Requests, request id: 9c84b52ce87fbe62-SJC", None),
    (
        (
            'Error: Codex error: {"type":"error","error":{"type":"usage_limit_reached","message":"The usage limit has'
            ' been reached","plan_type":"plus","resets_at":1796047200,"resets_in_seconds":7200},"status_code":429}'
        ),
        7200.0,
    ),
    ('{"type":"error","error":{"type":"usage_limit_reached","resets_at":1796047200}}', 2 * HOUR + SLACK_S),
    # Gemini CLI, Gemini and Vertex
    (
        "[API Error: You have exhausted your capacity on this model. Your quota will reset after 4h4m42s.]",
        14682.0,
    ),
    ("⚡ You have reached your daily gemini-2.5-pro quota limit.", None),
    ("Usage limit reached for gemini-2.5-pro. Access resets at 5:03 AM PDT. /stats for usage details", 240.0),
    (
        (
            "[API Error: Quota exceeded for quota metric 'Gemini 2.5 Pro Requests' and limit 'Gemini 2.5 Pro Requests"
            " per day per user per tier' of service 'cloudcode-pa.googleapis.com']"
        ),
        None,
    ),
    ("Error: 429 Resource exhausted. Please try again later.", None),
    (
        (
            "google.api_core.exceptions.ResourceExhausted: 429 Quota exceeded for aiplatform.googleapis.com/"
            "generate_content_requests with base model: gemini-1.5-pro. Please submit a quota increase request."
        ),
        None,
    ),
    # GitHub Copilot
    (
        (
            "✗ Sorry, you've hit a rate limit that restricts the number of Copilot model requests you can make within a"
            " specific time period. Please try again in 2 hours."
        ),
        2 * HOUR,
    ),
    ("Sorry, your request was rate-limited. Please wait 3 hours 33 minutes before trying again.", 12780.0),
    ("You've hit your global rate limit. Please upgrade your plan or wait for your limit to reset.", None),
    ("Server Error: Sorry, you have exceeded your Claude Opus 4.5 token usage, please try again later", None),
    # OpenAI and Azure
    (
        (
            "openai.error.RateLimitError: Rate limit reached for default-gpt-3.5-turbo in organization org-x on"
            " requests per min. Limit: 3 / min. Please try again in 20s. Contact us through our help center."
        ),
        20.0,
    ),
    (
        (
            "Error code: 429 - {'error': {'code': '429', 'message': 'Requests to the ChatCompletions_Create Operation"
            " have exceeded token rate limit of your current OpenAI S0 pricing tier. Please retry after 6 seconds.'}}"
        ),
        6.0,
    ),
    ("HTTP/1.1 429 Too Many Requests", None),
    # Bedrock
    (
        (
            "botocore.errorfactory.ThrottlingException: An error occurred (ThrottlingException) when calling the"
            " Converse operation (reached max retries: 4): Too many tokens per day, please wait before trying again."
        ),
        None,
    ),
    ("API Error (429 Too many tokens, please wait before trying again.)", None),
    ("Error: Request was throttled or rate limited. Please try:", None),
    # aider and litellm
    (
        (
            'litellm.RateLimitError: RateLimitError: GroqException - b\'{"error":{"message":"Rate limit reached for'
            " model gemma2-9b-it on tokens per minute (TPM): Limit 15000. Please try again in 5.289s.\"}}\\n'"
        ),
        5.289,
    ),
    ("The API provider has rate limited you. Try again later or check your quotas.", None),
    # OpenRouter, OpenCode and others
    (
        (
            '429 {"error":{"message":"Rate limit exceeded: free-models-per-day.","code":429,"metadata":{"headers":'
            '{"X-RateLimit-Remaining":"0","X-RateLimit-Reset":"1796043600000"}}}}'
        ),
        HOUR + SLACK_S,
    ),
    (
        "Error: google/gemini-2.0-flash-exp:free is temporarily rate-limited upstream. Please retry shortly",
        None,
    ),
    (
        "Error from provider (Console Go): Upstream request failed: [rate_limit_exceeded] Rate limit exceeded.",
        None,
    ),
    ('{"object":"error","type":"error","message":"Service tier capacity exceeded for this model."}', None),
    (
        "Error: Your account org-x request reached max organization concurrency: 1, please try again after 1 seconds",
        1.0,
    ),
    ('{"error":{"message":"The engine is currently overloaded","type":"engine_overloaded_error"}}', None),
    ("Usage limit reached for 5 hour. Your limit will reset at 2026-11-30 13:00:00", HOUR + SLACK_S),
    ("Error: Monthly request limit reached", None),
    # answers of HTTP
    ("HTTP 429, retry-after: 1200", 1200.0),
    ("< Retry-After: Mon, 30 Nov 2026 12:30:00 GMT", 1800 + SLACK_S),
    ("429 Too Many Requests; anthropic-ratelimit-tokens-reset: 2026-11-30T13:00:00Z", HOUR + SLACK_S),
    ("HTTP 429; x-ratelimit-reset-tokens: 6m0s", 360.0),
]

FOREIGN = [
    ("Você atingiu o limite de mensagens do Codex", None),
    ("Seu limite de uso foi atingido e será redefinido em 30 de nov. de 2026, 13:00 (UTC).", HOUR + SLACK_S),
    ("Desculpe, você excedeu o limite de uso. Tente novamente em 2 horas.", 2 * HOUR),
    ("Nutzungslimit erreicht. Wird um 15:00 Uhr (Europe/Berlin) zurückgesetzt.", 2 * HOUR + SLACK_S),
    ("Du hast dein Nutzungslimit erreicht · setzt sich zurück um 15 Uhr (Europe/Berlin)", 2 * HOUR + SLACK_S),
    ("Fehler: Zu viele Anfragen. Bitte in 5 Minuten erneut versuchen.", 300.0),
    ("Ratenlimit überschritten, versuchen Sie es in 3 Stunden 12 Minuten erneut", 11520.0),
    ("Ihr Kontingent ist aufgebraucht.", None),
    ("Vous avez atteint votre limite d'utilisation. Réessayez dans 3 heures.", 3 * HOUR),
    ("Erreur : limite de débit dépassée, réessayez dans 30 secondes", 30.0),
    ("Quota épuisé. Réinitialisation à 14h00 (UTC)", 2 * HOUR + SLACK_S),
    ("Trop de requêtes, veuillez réessayer plus tard.", None),
    ("Has alcanzado tu límite de uso. Inténtalo de nuevo en 2 horas 5 minutos.", 7500.0),
    ("Error: se ha superado el límite de solicitudes", None),
    ("Demasiadas solicitudes. Vuelve a intentarlo más tarde.", None),
    ("Hai raggiunto il limite di utilizzo. Riprova tra 3 ore.", 3 * HOUR),
    ("Troppe richieste, riprova più tardi", None),
    ("Je hebt je gebruikslimiet bereikt. Probeer het over 2 uur opnieuw.", 2 * HOUR),
    ("Osiągnięto limit użycia. Spróbuj ponownie za 3 godziny.", 3 * HOUR),
    ("Limit zapytań został przekroczony", None),
    ("У вас закончились сообщения Codex", None),
    ("Ваш лимит запросов исчерпан и будет сброшен 30 нояб. 2026 г., 13:00 (UTC).", HOUR + SLACK_S),
    ("Ошибка: превышен лимит запросов, повторите через 3 часа 5 минут", 11100.0),
    ("Ліміт запитів вичерпано", None),
    ("Kullanım limitinize ulaştınız. 3 saat sonra tekrar deneyin.", 3 * HOUR),
    ("Du har nått din användningsgräns. Försök igen om 2 timmar.", 2 * HOUR),
    ("Olet saavuttanut käyttörajan", None),
    ("Anda telah mencapai batas penggunaan.", None),
    ("Bạn đã đạt đến giới hạn sử dụng.", None),
    ("Έχετε φτάσει το όριο χρήσης.", None),
    ("لقد وصلت إلى حد الاستخدام", None),
    ("הגעת למגבלת השימוש", None),
    ("आप अपनी उपयोग सीमा तक पहुँच गए हैं", None),
    ('API Error: 429 {"error":{"code":"1302","message":"您的账户已达到速率限制，请您控制请求频率"}}', None),
    ("您的账户已达到速率限制，请您控制请求频率", None),
    ("[1308][已达到 5 小时的使用上限。您的限额将在 2026-11-30 13:00:00 重置。]", HOUR + SLACK_S),
    ("该模型当前访问量过大，请您稍后再试", None),
    ("请求过于频繁，请在3小时12分钟后重试", 11520.0),
    ("您的额度已用完", None),
    ("已達到使用量上限", None),
    ("使用制限に達しました。15時30分(UTC)にリセットされます。", 3.5 * HOUR + SLACK_S),
    ("利用上限に達しました。午後3時(UTC)にリセットされます", 3 * HOUR + SLACK_S),
    ("リクエストが多すぎます。30秒後に再試行してください。", 30.0),
    ("사용량 한도에 도달했습니다. 오후 3시(UTC)에 재설정됩니다.", 3 * HOUR + SLACK_S),
    ("요청 한도를 초과했습니다. 3시간 12분 후에 다시 시도하세요.", 11520.0),
]

# Other wordings, without regard to their times.
WORDINGS = [
    "Sie haben Ihr Wochenlimit erreicht. Zurücksetzung am 1. Dezember um 03:00 Uhr.",
    "Limit erreicht – bitte versuchen Sie es in 45 Minuten noch einmal.",
    "Das Anfragelimit für heute ist ausgeschöpft.",
    "Limite de taux atteinte. Veuillez patienter 20 s.",
    "Vous avez dépassé votre quota actuel.",
    "Votre limite hebdomadaire est atteinte, réinitialisation lundi à 9 h",
    "Límite de tasa excedido. Reintenta en 30 s.",
    "Se alcanzó el límite de uso. Se restablece a las 3:00.",
    "Se ha agotado tu cuota",
    "Limite de taxa excedido, tente novamente em 20 segundos",
    "Você esgotou sua cota",
    "Limite di richieste superato",
    "Hai esaurito la quota giornaliera",
    "使用量已达上限，将于凌晨3点重置",
    "请求太频繁，请稍后再试",
    "触发了速率限制，请60秒后重试",
    "您已用完本周的额度",
    "API调用次数已超出限制",
    "您的配額已用盡，請於 3 小時後再試",
    "レート制限を超えました。20秒後にお試しください。",
    "5時間の利用制限に達しました。19:00 にリセットされます。",
    "クォータを超過しました",
    "사용 한도 초과. 3:00에 초기화됩니다.",
    "할당량이 모두 소진되었습니다.",
    "요청 한도에 도달하였습니다",
    "Достигнут лимит использования. Сброс в 03:00 (Europe/Moscow).",
    "Превышена квота запросов",
    "Вы исчерпали лимит",
    "Слишком много запросов, попробуйте через 20 секунд",
    "Вы превысили лимит скорости",
    "Wykorzystano limit. Odnowi się o 15:00",
    "Za dużo zapytań",
    "Limit využití byl dosažen",
    "Bylo dosaženo limitu požadavků",
    "İstek sınırı aşıldı, 20 saniye içinde tekrar deneyin",
    "Günlük kotanız doldu",
    "Gebruikslimiet bereikt",
    "Je hebt het maximum aantal verzoeken bereikt",
    "Forbruksgrensen er nådd",
    "Du har brugt din kvote",
    "Rate limit exceeded. Resets in 42 minutes.",
    "You've reached the maximum number of messages. Try again at 4:00 PM.",
    "Your plan's limit has been reached. It renews on December 1.",
    "You are being rate limited",
    "Daily token quota exhausted",
    "Usage cap hit; next reset 2026-12-01T00:00:00+01:00",
    "request limit reached. retry_after=1796043600",
    "429: quota exceeded",
    "The usage limit for this billing period has been reached.",
    "We're currently experiencing high demand. Please try again later.",
    "Error: 503 The model is overloaded.",
    '{"type":"error","error":{"type":"rate_limit_error","message":"Requests exceed your per-minute rate limit"}}',
    "Quota limit reached, wait until 15:00",
    "You have no remaining requests. Resets at 18:00 UTC",
    "Claude is at capacity right now. Please try again later.",
    "Fair use limit reached",
    "Weekly limit hit - resets Fri 9am",
    "Max usage reached for today",
    "too many concurrent requests",
    "Concurrency limit reached for requests",
    "AI credits exhausted; limit resets on 2026-12-01",
    "Your usage allowance has been used up",
]

# Limits of other things than a provider.
OTHER_LIMITS = [
    "Das Zeitlimit wurde überschritten",
    "timeout limit exceeded",
    "error: recursion limit exceeded",
    "fatal: maximum depth reached",
    "Error: maximum call stack size exceeded",
    "disk quota exceeded",
    "ValueError: Exceeds the limit (4300 digits) for integer string conversion",
    "RecursionError: maximum recursion depth exceeded",
    "Error: EMFILE: too many open files",
    "Le délai d'attente est dépassé",
    "Tiempo de espera excedido",
    "error: line length limit exceeded",
    "OSError: [Errno 122] Disk quota exceeded",
    "context length limit reached",
    "input token limit exceeded: 250000 > 200000",
    "ERROR: memory limit exceeded",
    "java.lang.OutOfMemoryError: GC overhead limit exceeded",
    "Error: retry limit reached for job",
    "ログの上限を変更しました",
    "Time limit reached",
    "stack limit reached",
    "Speicherlimit überschritten",
    "превышено время ожидания",
    "超出时间限制",
    "文件大小超出限制",
    "Limite de mémoire dépassée",
]

# What agents write about limits as their work, with any exit code.
TALK = [
    "ImportError: cannot import name 'RateLimitError' from 'openai'",
    "NameError: name 'RateLimitError' is not defined",
    "src/limits.ts(3,9): error TS2305: Module './errors' has no exported member, cannot find name 'RateLimitError'.",
    "E       AssertionError: assert 'Too Many Requests' in ''",
    "FAILED tests/test_mw.py::test_rate_limit_exceeded - assert 200 == 429",
    "--- FAIL: TestRateLimitExceeded (0.00s)",
    "npm ERR! 429 Too Many Requests - GET https://packages.invalid/left-pad",
    "toomanyrequests: You have reached your pull rate limit. You may increase the limit by authenticating",
    "GraphQL: API rate limit exceeded for user ID 1.",
    "error: the function raises when the rate limit is exceeded",
    "error: line too long (120 > 79 characters), limit 79",
    "fatal: file size limit is 100 MB",
    "error: expected 429 arguments",
    "memory limit of 512 MiB",
    "ulimit: open files: cannot modify limit: Operation not permitted",
    "Die Grenze von 80 Zeichen wird eingehalten",
    "Das Limit wurde nicht erreicht",
    "Le quota n'est pas dépassé",
    "Fehler: der Client wartet, wenn das Limit erreicht ist",
    "El límite es de 80 caracteres por línea",
    "Лимит не превышен",
    "如果超出速率限制，则返回错误",
    "制限値を変更しました",
    "timeout: the request took 429 ms",
]

# What a builder that succeeded may write at its end.
SUCCESS = [
    "The middleware answers 429 Too Many Requests when the limit is reached.",
    "I added handling for RateLimitError and ThrottlingException.",
    'Users now see "You\'ve hit your limit" with the reset time.',
    "The docs explain the rate limit of 100 requests per minute and Retry-After: 30.",
    "- retry-after: 30 is parsed and honoured, tests pass",
    "README: usage limit reached? See the FAQ; done.",
    "Implemented `usage_limit_reached` events.",
    "Die API meldet jetzt, dass das Limit erreicht ist.",
    "Ich habe die Meldung „Nutzungslimit erreicht“ ergänzt.",
    "La API devuelve 429 cuando se ha superado el límite.",
    "J'ai ajouté le message « limite atteinte » à la page.",
    "Функция возвращает ошибку, если лимит превышен.",
    "添加了超出速率限制时的处理",
    "レート制限に達した場合の処理を実装しました。",
    "사용량 한도 초과 메시지를 추가했습니다.",
]


@pytest.mark.parametrize(("text", "wait_s"), [*REPORTED, *FOREIGN, *((text, None) for text in WORDINGS)])
def test_a_reported_text_is_a_limit_with_its_wait(text: str, wait_s: float | None) -> None:
    limit = find_limit(["working", text, ""], now=NOW)

    assert limit is not None
    assert not limit.remedy
    if wait_s is not None:
        assert limit.wait_s == pytest.approx(wait_s)
    assert is_limit_message(text)


def test_the_table_is_as_large_as_what_it_stands_for() -> None:
    assert len(dict(REPORTED)) >= 40
    assert len(dict(FOREIGN)) >= 40
    assert len({*TALK, *OTHER_LIMITS}) >= 20


@pytest.mark.parametrize("text", [*TALK, *OTHER_LIMITS])
def test_talk_about_limits_is_no_limit(text: str) -> None:
    assert find_limit([text], now=NOW) is None
    assert not is_limit_message(text)


@pytest.mark.parametrize("text", SUCCESS)
def test_a_builder_that_succeeds_may_end_with_talk_about_limits(text: str) -> None:
    assert _report(0, text).failure is None


@pytest.mark.parametrize("exit_code", [0, 1])
@pytest.mark.parametrize("role", Role)
def test_a_limit_in_another_language_ends_a_session_without_a_failure(exit_code: int, role: Role) -> None:
    failure = _report(exit_code, "Ihr Nutzungslimit wurde erreicht. Erneut um 15:00.", role=role).failure

    assert failure is not None
    assert failure.kind is FailureClass.PROVIDER_LIMITED
    assert failure.retry_after_s is not None


@pytest.mark.parametrize(
    ("text", "wait_s"),
    [
        ("2026-11-30T12:00:00Z ERROR openai: 429 Too Many Requests", None),
        ("HTTP 429\nDate: Mon, 30 Nov 2026 12:00:00 GMT\nContent-Length: 63", None),
        ("Your limit will reset \n     at 1pm (UTC).", HOUR + SLACK_S),
        ("resets 8:00am UTC-5", HOUR + SLACK_S),
        ("resets 13:00 GMT+0", HOUR + SLACK_S),
        ("wird um 14 Uhr (UTC) zurückgesetzt", 2 * HOUR + SLACK_S),
        ("request 1234567890123 failed", None),
    ],
)
def test_only_the_time_of_a_reset_is_a_wait(text: str, wait_s: float | None) -> None:
    assert wait_of(text, now=NOW) == (None if wait_s is None else pytest.approx(wait_s))


def _report(exit_code: int, out: str, *, role: Role = Role.BUILDER) -> Report:
    reader = CommandReader(role)
    for line in out.splitlines():
        reader.stdout(OutputLine(line))
    reader.finish()
    return reader.report(out, exit_code=exit_code)

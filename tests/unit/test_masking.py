"""Masking: text that looks like a secret is masked, and other text is not."""

import pytest

from amplifier_swarm.masking import MASK, LineMask, Mask, masked
from amplifier_swarm.v1 import session_pb2, task_pb2

SECRETS = [
    "swt1_operator_0123456789ab_" + "x" * 43,
    "sk-ant-api03-" + "a" * 40,
    "sk-proj-" + "A1" * 20,
    "ghp_" + "a" * 36,
    "github_pat_" + "1" * 40,
    "glpat-" + "b" * 20,
    "AKIA" + "B2" * 8,
    "AIza" + "c" * 35,
    "xoxb-1234567890-abcdef",
    "hf_" + "d" * 34,
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc_DEF-123",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
    "-----BEGIN PRIVATE KEY-----\nMIIE and the rest was cut",
]


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_masked_at_any_place(secret: str) -> None:
    assert masked(f"before {secret}") == f"before {MASK}"
    assert secret not in masked(f"x='{secret}' and more")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgres://me:hunter22@db/x", f"postgres://me:{MASK}@db/x"),
        ("Authorization: Bearer abcdefghijklmnop123", f"Authorization: Bearer {MASK}"),
        ("OPENAI_API_KEY=abcdefgh1234", f"OPENAI_API_KEY={MASK}"),
        ('{"password": "correcthorse"}', f'{{"password": "{MASK}"}}'),
    ],
)
def test_the_name_of_a_secret_stays(text: str, shown: str) -> None:
    assert masked(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "agent_error: exit code 3",
        "the validator rejected the work: src/auth.py:12 token is never checked",
        "see https://example.org/a/b?c=d",
        "skipped: dependency t1 is failed",
        '{"input_tokens": 123456789, "output_tokens": 12345678}',
        "max_tokens=4096 cache_read_tokens: 1,234,567",
        "sha256 9f86d081884c7d659a2feaa0c55ad015",
    ],
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert masked(text) == text


# A pattern that backtracks takes minutes over these.
@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "text", ["a" * 200_000, "token" * 40_000, "a://" * 50_000, "eyJ" * 60_000, "-" * 200_000]
)
def test_masking_takes_linear_time(text: str) -> None:
    assert masked(text) == text


def test_a_known_secret_is_masked_in_any_form() -> None:
    mask = Mask(["correct horse battery", "short", "correct horse battery staple"])

    assert mask.text("a correct horse battery staple, short") == f"a {MASK}, short"


def test_every_string_of_a_message_is_masked_at_any_depth() -> None:
    key = "sk-" + "a" * 20
    message = task_pb2.Outcome(
        error=key,
        builder_result=session_pb2.BuilderResult(
            files_created=["a.py", key], implementation_notes=f"see {key}"
        ),
        checks=[session_pb2.CheckResult(command="env", output_tail=key)],
        verdict=session_pb2.Verdict(passed=True, findings=[session_pb2.Finding(issue=key)]),
    )

    Mask().message(message)

    assert key not in str(message)
    assert list(message.builder_result.files_created) == ["a.py", MASK]
    assert message.verdict.passed


def test_a_private_key_that_comes_line_by_line_is_masked_to_its_end() -> None:
    lines = LineMask()
    key = ["-----BEGIN EC PRIVATE KEY-----", "MHcCAQEE", "aGVsbG8=", "-----END EC PRIVATE KEY----- after"]

    assert [lines.text(line) for line in ["before", *key, "later"]] == [
        "before", MASK, MASK, MASK, f"{MASK} after", "later",
    ]  # fmt: skip
    assert lines.text("\n".join(key)) == f"{MASK} after"
    assert lines.text("MHcCAQEE") == "MHcCAQEE"

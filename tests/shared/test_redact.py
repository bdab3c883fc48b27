from __future__ import annotations

import os
import subprocess
import sys

import pytest

from lorad.shared.redact import redact_all, redact_fields

SECRET = "Zq7Xk2Lm9Pw4Rt6Vb8Nc1"
TEXTS = [
    f"hf_{SECRET}", f"the token hf_{SECRET}.", f"HF_TOKEN={SECRET}", f"export HF_TOKEN='{SECRET}'",
    f'hub_token = "{SECRET}"', f'{{"token": "{SECRET}", "id": 3}}', f"{{'api_key': '{SECRET}'}}",
    f"WANDB_API_KEY={SECRET}", f"AWS_SECRET_ACCESS_KEY: {SECRET}", f"MY_KEY={SECRET}",
    f"AWS_ACCESS_KEY_ID={SECRET}", f"DB_PASS={SECRET}", f"password: {SECRET}",
    f"login --token {SECRET} now", f"login --hub-token={SECRET}", f"ghp_{SECRET}", f"sk-{SECRET}",
    f"Authorization: Bearer {SECRET}", f"authorization: basic {SECRET}==",
    f"https://anna:{SECRET}@host/x", f"https://:{SECRET}@host", f"https://h/x?a=1&token={SECRET}&b",
    f"https://h/x?sig={SECRET}", f"https://hooks.slack.com/services/T0/B0/{SECRET}",
    f'webhook = "https://example.org/h/{SECRET}"',
    f"-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}\n{SECRET}\n-----END OPENSSH PRIVATE KEY-----",
    f"-----BEGIN PRIVATE KEY-----\n{SECRET}", f'    secret-key = "{SECRET}"',
    "x" * 5000 + f" hf_{SECRET}", f"set by anna: hub.token = {SECRET}",
    f"authorization: {SECRET}\nand more", f"Authorization: ApiKey {SECRET}",
    f"authorization={SECRET}",
    f'{{\\"api_key\\": \\"{SECRET}\\"}}', f'failed: api_key = \\"{SECRET}\\"',
    f'api_key = \\"a {SECRET}',
    f"password token={SECRET}", f"token = token={SECRET}", f"Cookie: {SECRET}",
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_no_secret_is_left(text: str) -> None:
    redacted = redact_all(text)
    assert SECRET not in redacted
    assert "***" in redacted
    assert redact_all(redacted) == redacted


@pytest.mark.parametrize(
    "text",
    [
        "max_token_length = 225", "tokens = 77", "a token of 20 words", "token=None",
        '"token": null', "the keys: lora_A, lora_B", "key = value", "learning_rate = 1e-4",
        "https://host:8080/x", "anna@box", "revision = 0123456789012345678901234567890123456789",
        "hf_hub_download", "a secret garden: roses", "sk-learn is there", "basic training is over",
    ],
)  # fmt: skip
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact_all(text) == text


def test_what_stands_around_it_stays() -> None:
    assert redact_all(f"step 3, HF_TOKEN={SECRET}, loss 0.1") == "step 3, HF_TOKEN=***, loss 0.1"
    assert redact_all(f'{{"token": "{SECRET}", "id": 3}}') == '{"token": "***", "id": 3}'
    assert redact_all(f"the token hf_{SECRET}.") == "the token hf_***."
    assert redact_all(f'{{\\"token\\": \\"{SECRET}\\", \\"id\\": 3}}') == (
        '{\\"token\\": \\"***\\", \\"id\\": 3}'
    )
    assert redact_all(f"authorization: {SECRET}\nstep 3") == "authorization: ***\nstep 3"
    assert redact_all(f"https://anna:{SECRET}@host/x") == "https://***@host/x"


def test_no_secret_is_left_in_a_document() -> None:
    said = {
        "text": f'failed: api_key = "{SECRET}"', "of": [f'{{"password": "{SECRET}"}}', 3, None],
        "token": SECRET, "pair": {"secret": [SECRET, 12345, None, True], "webhook": f"http://{SECRET}"},
        f"hf_{SECRET}": f"--password '{SECRET} x'", "tokens": 77, "password": "none",
    }  # fmt: skip
    assert redact_fields(said) == {
        "text": 'failed: api_key = "***"', "of": ['{"password": "***"}', 3, None],
        "token": "***", "pair": {"secret": ["***", "***", None, True], "webhook": "***"},
        "hf_***": "--password '***'", "tokens": 77, "password": "none",
    }  # fmt: skip


def test_a_long_secret_is_not_cut() -> None:
    env = {**os.environ, "X_TOKEN": SECRET * 30}
    code = f"from lorad.shared.clean import first_line; print(first_line('ab {SECRET * 30}', 9))"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.stdout.strip() == "ab *****…", done.stderr


def test_a_secret_of_any_bytes_keeps_nothing_from_starting() -> None:
    env = {**os.environ, "X_TOKEN": os.fsdecode(b"abcdefghijkl\xff")}
    code = "from lorad.shared.redact import redact_bytes as r; print(r(b'a abcdefghijkl\\xff'))"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.stdout.strip() == "b'a *************'", done.stderr


@pytest.mark.parametrize(
    "piece",
    [
        "authorization: ",
        '\\"',
        'token=\\"a',
        "a_token",
        "x" * 50,
        "--token ",
        "https://",
        "hf_",
        "-----BEGIN ",
        "token=",
        "a:b@",
    ],
)
def test_long_texts_cost_little(piece: str) -> None:
    """A pattern whose work grows with the square of the text would not end on a megabyte."""
    redact_all(piece * (1_000_000 // len(piece)))

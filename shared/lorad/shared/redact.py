"""Secrets: what is known to be one is never told, and what looks like one is given to nobody.

`redact` is for all that is written or shown, `redact_all` for what leaves the box.
"""

from __future__ import annotations

import os
import re
from typing import Any

_SHAPES = (
    r"hf_[A-Za-z0-9]{20,}",
    r"hf_oauth_[A-Za-z0-9._-]{20,}",
    r"wandb_v1_[A-Za-z0-9_-]{20,}",
    r"gh[pousr]_[A-Za-z0-9]{30,}",
)
"""Tokens as they are made by Hugging Face, Weights & Biases and GitHub."""
_SECRET_NAME = re.compile(r"(TOKEN|API_KEY|SECRET|PASSWORD)$")
_SHORTEST = 12
"""Characters; a shorter word may stand anywhere by chance."""


def _given() -> set[str]:
    """LORAD_TOKEN is not among them: a run says it to its daemon."""
    values = {
        value.strip()
        for name, value in os.environ.items()
        if _SECRET_NAME.search(name) and name != "LORAD_TOKEN"
    }
    return {value for value in values if len(value) >= _SHORTEST}


def _secrets() -> list[re.Pattern[bytes]]:
    """What is a secret: by its shape, or since this process was given it as one.

    All that is told is searched; one by one they begin with letters that `re` jumps to, which takes
    a fifth of the time.
    """
    exact = [re.escape(value) for value in _given()]
    whole = [*sorted(exact, key=len, reverse=True), *_SHAPES]
    return [re.compile(os.fsencode(one)) for one in whole]  # a variable may hold any bytes


_SECRETS = _secrets()
LONGEST = max(200, *map(len, _given()), 0)
"""Characters of the longest secret: so much more is looked at than is kept of a text."""


def redact_bytes(data: bytes) -> bytes:
    """The bytes with stars over every token and key; no place in them moves, not even a length."""
    for secret in _SECRETS:
        data = secret.sub(lambda found: b"*" * len(found.group()), data)
    return data


def redact(text: str) -> str:
    """The text with stars over every token and key."""
    data = text.encode("utf-8", "surrogatepass")
    return redact_bytes(data).decode("utf-8", "surrogatepass") if has_secret(data) else text


def has_secret(data: bytes) -> bool:
    """Whether there is a token or key in it."""
    return any(secret.search(data) for secret in _SECRETS)


HIDDEN = "***"

# Tokens that are known by how they begin, wherever they stand: the beginning says whose they were.
_KNOWN = re.compile(
    r"\b(hf_(?=\w*\d)|api_org_|gh[pousr]_|github_pat_|glpat-|sk-|xox[abeoprs]-|AKIA|AIza|wandb_v\d_)"
    r"[A-Za-z0-9_-]{12,}"
)
_HEADER = r"authorization\\?[\"']?\s*[=:]\s*(?:\\?[\"'])?"
_SCHEME = r"(?:basic|bearer|digest|negotiate|token)[^\S\n]+"
_LETTERS = r"[A-Za-z0-9._~+/=-]+"
_BEARER = re.compile(rf"(?i)\b({_HEADER}{_SCHEME}|bearer\s+(?=\S{{16}})){_LETTERS}")
# A word that is no scheme may be the secret itself, or the scheme of the next one.
_AUTHORIZATION = re.compile(rf"(?i)\b({_HEADER})(?!{_SCHEME}){_LETTERS}(?:[^\S\n]+{_LETTERS})?")
_PRIVATE = re.compile(
    r"(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
)
_IN_ADDRESS = re.compile(r"(?i)\b([a-z][a-z0-9+.-]{1,20}://)[^\s/@:]*:[^\s/@]+@")
# The address itself is the secret: whoever has it may post.
_HOOK = re.compile(
    r"(?i)(https?://(?:hooks\.slack\.com/|discord(?:app)?\.com/api/webhooks/)|"
    r"\bwebhook[\"']?\s*[=:]\s*[\"']?https?://[^\s/\"']+/)[^\s\"']+"
)
# The third is one in a text within quotes: `\"…\"`.
_VALUE = r"(\"[^\"\n]*\"|'[^'\n]*'|\\[\"'][^\"'\n]*?(?=\\?[\"'\n]|\Z)|(?:(?!\\[\"'])[^\s,;\"'&])+)"
_NAME = (
    r"[\w-]*(?:token|secret|passw(?:or)?d|passphrase|credentials?|cookie|api[_-]?key|"
    r"access[_-]?key(?:[_-]id)?|secret[_-]?key|private[_-]?key|(?-i:[A-Z0-9]_(?:KEY|PASS)))"
)
# `HF_TOKEN=…`, `"api_key": "…"`, `?sig=…`, `--password …`. What a word only begins with, as in
# `tokens = 77`, is no secret.
_NAMED = re.compile(rf"(?i)((?<![\w-]){_NAME}\\?[\"']?\s*[=:]\s*|[?&]sig(?:nature)?=){_VALUE}")
_OPTION = re.compile(rf"(?i)((?<![\w-])--{_NAME} +){_VALUE}")
_SECRET_KEY = re.compile(rf"(?i)(?<![\w-])(?:{_NAME}|authorization|webhook)\Z")
_EMPTY = ("", "none", "null", "true", "false", HIDDEN)


def redact_all(text: str) -> str:
    """The text with what looks like a secret replaced by `***`, too.

    Known are tokens of hubs and services by how they begin, private keys, `Authorization` headers,
    names and passwords in addresses, and values whose name says that they are secret. It is for
    texts that were written for people (logs, recipes, settings); a secret without a name and
    without a known beginning cannot be told from any other word.
    """
    text = _PRIVATE.sub(rf"\1{HIDDEN}\2", text)
    text = _KNOWN.sub(rf"\1{HIDDEN}", text)
    text = _BEARER.sub(rf"\1{HIDDEN}", text)
    text = _AUTHORIZATION.sub(rf"\1{HIDDEN}", text)
    text = _IN_ADDRESS.sub(rf"\1{HIDDEN}@", text)
    text = _HOOK.sub(rf"\1{HIDDEN}", text)
    text = _OPTION.sub(_without_value, text)
    return _NAMED.sub(_without_value, text)


def redact_fields(value: Any, named: bool = False) -> Any:
    """The same of a document's tables, lists and texts, before they are JSON.

    `named`: it stands under a name that says it is secret.
    """
    if isinstance(value, dict):
        return {
            redact_all(key): redact_fields(inner, named or bool(_SECRET_KEY.search(key)))
            for key, inner in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [redact_fields(inner, named) for inner in value]
    if named and value is not None and not isinstance(value, bool):
        return value if str(value).lower() in _EMPTY else HIDDEN
    return redact_all(redact(value)) if isinstance(value, str) else value


def _without_value(found: re.Match[str]) -> str:
    name, value = found.groups()
    if value.strip("\\\"'").lower() in _EMPTY:
        return found[0]
    if value[0] == "\\":
        return f"{name}{value[:2]}{HIDDEN}"
    quote = value[0] if value[0] in "\"'" else ""
    return f"{name}{quote}{HIDDEN}{quote}"

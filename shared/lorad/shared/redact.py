"""Secrets in a text that somebody else will read: what looks like one becomes `***`."""

from __future__ import annotations

import re

HIDDEN = "***"

# Tokens that are known by how they begin, wherever they stand: the beginning says whose they were.
_KNOWN = re.compile(
    r"\b(hf_(?=\w*\d)|api_org_|gh[pousr]_|github_pat_|glpat-|sk-|xox[abeoprs]-|AKIA|AIza|wandb_v\d_)"
    r"[A-Za-z0-9_-]{12,}"
)
_BEARER = re.compile(
    r"(?i)\b(authorization[\"']?\s*[=:]\s*[\"']?\w+\s+|bearer\s+(?=\S{16}))[A-Za-z0-9._~+/=-]+"
)
_PRIVATE = re.compile(
    r"(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
)
_IN_ADDRESS = re.compile(r"(?i)\b([a-z][a-z0-9+.-]{1,20}://)[^\s/@:]*:[^\s/@]+@")
# The address itself is the secret: whoever has it may post.
_HOOK = re.compile(
    r"(?i)(https?://(?:hooks\.slack\.com/|discord(?:app)?\.com/api/webhooks/)|"
    r"\bwebhook[\"']?\s*[=:]\s*[\"']?https?://[^\s/\"']+/)[^\s\"']+"
)
_VALUE = r"(\"[^\"\n]*\"|'[^'\n]*'|[^\s,;\"'&]+)"
_NAME = (
    r"[\w-]*(?:token|secret|passw(?:or)?d|passphrase|credentials?|cookie|api[_-]?key|"
    r"access[_-]?key(?:[_-]id)?|secret[_-]?key|private[_-]?key|(?-i:[A-Z0-9]_(?:KEY|PASS)))"
)
# `HF_TOKEN=…`, `"api_key": "…"`, `?sig=…`, `--password …`. What a word only begins with, as in
# `tokens = 77`, is no secret.
_NAMED = re.compile(rf"(?i)((?<![\w-]){_NAME}[\"']?\s*[=:]\s*|[?&]sig(?:nature)?=){_VALUE}")
_OPTION = re.compile(rf"(?i)((?<![\w-])--{_NAME} +){_VALUE}")
_EMPTY = ("", "none", "null", "true", "false", HIDDEN)


def redact(text: str) -> str:
    """The text with what looks like a secret replaced by `***`.

    Known are tokens of hubs and services by how they begin, private keys, `Authorization` headers,
    names and passwords in addresses, and values whose name says that they are secret. It is for
    texts that were written for people (logs, recipes, settings); a secret without a name and
    without a known beginning cannot be told from any other word.
    """
    text = _PRIVATE.sub(rf"\1{HIDDEN}\2", text)
    text = _KNOWN.sub(rf"\1{HIDDEN}", text)
    text = _BEARER.sub(rf"\1{HIDDEN}", text)
    text = _IN_ADDRESS.sub(rf"\1{HIDDEN}@", text)
    text = _HOOK.sub(rf"\1{HIDDEN}", text)
    text = _OPTION.sub(_without_value, text)
    return _NAMED.sub(_without_value, text)


def _without_value(found: re.Match[str]) -> str:
    name, value = found.groups()
    quote = value[0] if value[0] in "\"'" else ""
    if value.strip("\"'").lower() in _EMPTY:
        return found[0]
    return f"{name}{quote}{HIDDEN}{quote}"

"""Write docs/protocol.md's tables from the messages themselves: python docs/make_protocol.py."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
SHARED = ROOT / "shared" / "lorad" / "shared"
TARGET = ROOT / "docs" / "protocol.md"
MARK = "<!-- Below this line: written by docs/make_protocol.py -->\n"


def tables() -> str:
    """One table a message, file by file."""
    parts = []
    for title, file in (
        ("What all share", "messages/base.py"),
        ("What messages carry", "messages/carried.py"),
        ("Questions", "messages/questions.py"),
        ("Requests", "messages/requests.py"),
        ("Replies", "messages/replies.py"),
        ("Events", "messages/events.py"),
        ("Runs", "messages/runs.py"),
        ("Jobs and states", "jobs.py"),
        ("Header", "codec.py"),
    ):
        parts.append(f"## {title}\n")
        text = (SHARED / file).read_text()
        for node in ast.parse(text).body:
            if isinstance(node, ast.ClassDef) and _is_struct(node):
                parts.append(_table(node))
    return "\n".join(parts)


def _is_struct(node: ast.ClassDef) -> bool:
    return any(isinstance(base, ast.Name) for base in node.bases)


def _table(node: ast.ClassDef) -> str:
    options = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
    tag = options.get("tag", "").strip("'\"")
    base = ast.unparse(node.bases[0])
    kind = f" · `{tag}`" if tag else ""
    extends = f" Also has the fields of `{base}`." if base == "JobRequest" else ""
    doc = " ".join((ast.get_docstring(node) or "").split())
    lines = [f"**{node.name}**{kind}: {doc}{extends}\n"]
    fields = list(_fields(node))
    if fields:
        lines += ["| field | type | default | meaning |", "|---|---|---|---|"]
        lines += [
            f"| `{name}` | `{kind}` | {default} | {doc} |" for name, kind, default, doc in fields
        ]
        lines.append("")
    return "\n".join(lines)


def _fields(node: ast.ClassDef) -> list[tuple[str, str, str, str]]:
    found: list[tuple[str, str, str, str]] = []
    for line in node.body:
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
            default = f"`{ast.unparse(line.value)}`" if line.value is not None else ""
            kind = ast.unparse(line.annotation).replace("|", "\\|")
            found.append((line.target.id, kind, default, ""))
        elif found and isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant):
            name, kind, default, _ = found[-1]
            found[-1] = (name, kind, default, " ".join(str(line.value.value).split()))
    return found


def document() -> str:
    """The page: its words as they are, its tables as the code has them."""
    return TARGET.read_text().partition(MARK)[0] + MARK + "\n" + tables()


if __name__ == "__main__":
    page = document()
    if "--check" in sys.argv:
        sys.exit(page != TARGET.read_text())
    TARGET.write_text(page)

"""No way to run code that came as data: looked for in the syntax trees of all three rooms."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted(
    path for room in ("daemon", "shared", "tui") for path in (ROOT / room).rglob("*.py")
)
MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "marshal", "shelve", "joblib"}
CALLS = {"eval", "exec", "compile", "__import__"}
METHODS = {
    "recv_pyobj", "send_pyobj", "unsafe_load", "full_load", "load_module", "system", "popen",
    "getoutput", "getstatusoutput", "read_pickle",
}  # fmt: skip

UNSAFE_WORDS = ("shell", "trust_remote_code", "custom_pipeline")
STARTERS = {"run", "Popen", "call", "check_call", "check_output"}


def faults(tree: ast.AST) -> list[str]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [a.name for a in node.names if a.name.split(".")[0] in MODULES]
        elif isinstance(node, ast.ImportFrom):
            found += [node.module] if (node.module or "").split(".")[0] in MODULES else []
        elif isinstance(node, ast.Call):
            found += called(node)
        elif isinstance(node, ast.Constant) and node.value == "trust_remote_code":
            found.append("trust_remote_code")
    return found


def called(node: ast.Call) -> list[str]:
    name = ast.unparse(node.func)
    words = {word.arg: ast.unparse(word.value) for word in node.keywords if word.arg}
    found = []
    if isinstance(node.func, ast.Name) and name in CALLS:
        found.append(name)
    if isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
        found.append(name)
    if name == "torch.load" and words.get("weights_only") != "True":
        found.append(name)
    if name == "yaml.load":
        found.append(name)
    if name in ("numpy.load", "np.load") and words.get("allow_pickle", "False") != "False":
        found.append(name)
    given = {word for word in UNSAFE_WORDS if words.get(word, "False") not in ("False", "None")}
    if name.rpartition(".")[2] not in STARTERS:
        given.discard("shell")  # a program for which one is meant
    return [*found, *given]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_that_came_as_data_is_run(path: Path) -> None:
    assert faults(ast.parse(path.read_text())) == []


@pytest.mark.parametrize(
    "line",
    [
        "import pickle", "from pickle import loads", "import marshal", "socket.recv_pyobj()",
        "torch.load(path)", "torch.load(path, weights_only=False)", "yaml.load(text)", "eval(text)",
        "exec(text)", "subprocess.run(text, shell=True)", "os.system(text)",
        "load(name, trust_remote_code=True)", "load(name, **{'trust_remote_code': True})",
        "numpy.load(path, allow_pickle=True)",
    ],
)  # fmt: skip
def test_each_of_them_would_be_found(line: str) -> None:
    assert faults(ast.parse(line))


def test_what_is_safe_is_not_found() -> None:
    safe = "torch.load(path, weights_only=True); yaml.safe_load(t); model.eval(); re.compile(t)"
    assert faults(ast.parse(safe)) == []

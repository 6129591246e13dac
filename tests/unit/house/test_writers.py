"""Files are made by one writer, which knows for whom they are: no module makes one with the umask's rights."""

from __future__ import annotations

import ast

from .scan import files

# Who opens files for writing otherwise, and why their rights are right.
_OTHERWISE = {
    "base/files.py": "the writer itself",
    "operate/state/files.py": "the store: 0600 at the call",
    "adapters/parallelcluster/log.py": "a log: 0600 at the call",
    "adapters/parallelcluster/client.py": "a configuration in a temporary folder of our own",
    "adapters/parallelcluster/worker.py": "the same, in the worker",
    "adapters/parallelcluster/environments.py": "scripts of an environment, which keep their rights",
    "adapters/lab/process.py": "lock and log of the lab, in a folder that is ours alone",
}
_MAKES = {"write_text", "write_bytes", "mkdir", "makedirs", "mkfifo", "mkstemp", "touch"}


def _makes(tree: ast.AST) -> bool:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        modes = [one.value for one in (*node.args, *(k.value for k in node.keywords)) if isinstance(one, ast.Constant)]
        if name in _MAKES or (name == "open" and any(isinstance(m, str) and set(m) & set("wax+") == set(m) - {"b", "t"}
                                                     and set(m) & set("wax+") for m in modes)):  # fmt: skip
            return True
        flags = {one.attr for one in ast.walk(node) if isinstance(one, ast.Attribute)}
        if name == "open" and "O_CREAT" in flags:
            return True
    return False


def test_files_and_folders_are_made_by_the_one_writer() -> None:
    made = {place for place, path in files() if _makes(ast.parse(path.read_text(encoding="utf-8")))}
    assert made == set(_OTHERWISE)

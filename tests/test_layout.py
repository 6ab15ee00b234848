"""Where tests and what they share are found."""

import ast
from pathlib import Path

TESTS = Path(__file__).parent


def is_test(module: str) -> bool:
    """Tell whether a module, by its dotted name, has tests or fixtures of its own."""
    name = module.rpartition(".")[2]
    return name.startswith("test_") or name == "conftest"


def imported(path: Path) -> set[str]:
    """Return all that a module imports, by dotted names."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module or ""}
    return names


def test_no_module_imports_from_a_test() -> None:
    """What tests share is in tests/support, so that each test can be moved or removed alone."""
    assert {
        path.relative_to(TESTS).as_posix(): name
        for path in TESTS.rglob("*.py")
        for name in imported(path)
        if name.startswith("tests.") and is_test(name)
    } == {}


def test_every_test_is_in_a_folder_of_its_subject() -> None:
    """Only this module, which looks at all of them, is beside the folders; support has none."""
    assert [path.name for path in TESTS.glob("test_*.py")] == [Path(__file__).name]
    assert [*(TESTS / "support").rglob("test_*.py")] == []

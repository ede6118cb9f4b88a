"""The rooms of the package: what each says of itself, and what others may use of it."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import epipam

PACKAGE = Path(epipam.__file__).parent
ROOMS = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
MOST_LINES = 400
SAYS_NOTHING = {"utils", "util", "helpers", "helper", "common", "misc"}


def imports_from_other_rooms() -> Iterator[tuple[str, str, str, str]]:
    """Yield who imports, and the room, module below it and name that are imported at run time."""
    for file in PACKAGE.rglob("*.py"):
        own = file.relative_to(PACKAGE).parts[0]
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for_types = {
            child
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
            for child in ast.walk(node)
        }
        for node in ast.walk(tree):
            if node in for_types:
                continue
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("epipam."):
                _, room, *below = node.module.split(".")
                if room in ROOMS and room != own:
                    for name in node.names:
                        yield str(file.relative_to(PACKAGE)), room, ".".join(below), name.name


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_says_what_it_is_for_what_comes_in_and_what_goes_out(room):
    text = importlib.import_module(f"epipam.{room}").__doc__
    sentences = re.findall(r"[^.]+\.(?=\s|$)", text)
    assert len(sentences) >= 3, text
    assert re.search(r"\bcomes? in\b", text)
    assert re.search(r"\bgoe?s? out\b|\bgo out\b", text)


@pytest.mark.parametrize("room", sorted(set(ROOMS) - {"cli"}))
def test_whatever_a_room_lists_can_be_had(room):
    module = importlib.import_module(f"epipam.{room}")
    assert module.__all__
    for name in module.__all__:
        assert getattr(module, name) is not None, name
    assert set(module.__all__) <= set(dir(module))


def test_no_room_uses_what_another_has_not_listed():
    unlisted = []
    for who, room, below, name in imports_from_other_rooms():
        # What shares its name with a module is known by its path alone.
        is_module = (PACKAGE / room / below.replace(".", "/") / f"{name}.py").exists()
        has_name_of_module = below.rpartition(".")[2] == name or any(
            (PACKAGE / room / module).exists() for module in (f"{name}.py", name)
        )
        listed = importlib.import_module(f"epipam.{room}").__all__
        if name not in listed and not is_module and not has_name_of_module:
            unlisted.append(f"{who}: epipam.{room}.{below}.{name}")
    assert unlisted == []


def test_no_module_is_long_and_none_has_a_name_that_says_nothing():
    for file in PACKAGE.rglob("*.py"):
        n_lines = len(file.read_text(encoding="utf-8").splitlines())
        assert n_lines <= MOST_LINES, f"{file.name}: {n_lines} lines"
        assert file.stem not in SAYS_NOTHING


def test_every_module_that_the_architecture_names_is_there():
    text = (PACKAGE.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:[a-z_]+/)+(?:[a-z_]+\.(?:py|json))?)`", text))
    assert len(named) > 40
    for path in named:
        assert (PACKAGE / path).exists() or (PACKAGE.parent / path).exists(), path

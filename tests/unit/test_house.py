"""What the house promises about itself: the commands it names, the locks it installs from, who may import what."""

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import slt

ROOT = Path(__file__).parents[2]
LIBS = ROOT / "libs"
SERVICES = ("authentication", "validation", "uniqueness", "consensus", "ledger")
PURE = ("merkle", "statements", "reports", "inventory", "consensus")
# The pure libraries have these and the standard library; each is itself a function of its arguments. zstandard: the
# body of a submission is compressed, and its declared size is checked where the submission is read.
PURE_MAY_IMPORT = {"slt", "cryptography", "nacl", "cbor2", "msgspec", "numpy", "zstandard"}
ASKS_THE_CLOCK = {"now", "today", "utcnow"}

README = ROOT / "README.md"
MAKEFILE = ROOT / "Makefile"
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


# Commands


def test_make_alone_lists_every_target_with_a_line() -> None:
    listing = subprocess.run(["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True)
    named = dict(re.findall(r"^  make (\w+) +(\S.*)$", listing.stdout, re.MULTILINE))
    assert set(named) == set(_make_targets())


def test_the_readme_begins_with_demo_and_test() -> None:
    makes = re.findall(r"^make (\w+)", "\n".join(_readme_commands()), re.MULTILINE)
    assert makes[:2] == ["demo", "test"]


def test_every_make_target_that_the_readme_names_exists() -> None:
    named = set(re.findall(r"\bmake ([a-z]+)\b", "\n".join([*_readme_commands(), *_readme_quotes()])))
    assert named <= set(_make_targets())


def test_every_slt_command_and_option_that_the_readme_names_exists() -> None:
    commands = [line for line in _readme_commands() if re.match(r"(\.venv/bin/)?slt ", line)]
    assert commands, "the README shows no slt command"
    for line in commands:
        words = re.sub(r"\s#.*$", "", line).split()[1:]
        path = _subcommand(words)
        options = {word.split("=")[0] for word in words if word.startswith("--")}
        help_text = _slt_help(*path)
        assert {option for option in options if not re.search(rf"{option}\b", help_text)} == set(), line


def test_every_file_that_the_readme_links_or_names_exists() -> None:
    text = README.read_text(encoding="utf-8")
    links = {link for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text) if "://" not in link}
    names = {quote for quote in _readme_quotes() if re.fullmatch(r"(libs|services|tests|deploy|\.ci)/[\w./-]+", quote)}
    assert {name for name in links | names if not (ROOT / name).exists()} == set()


# Locks


@pytest.mark.parametrize("lock", sorted((ROOT / "deploy/locks").glob("*.txt")), ids=lambda path: path.stem)
def test_a_lock_names_no_address_and_hashes_everything(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"^\s*(-i|-f|--index|--extra-index|--find-links|--trusted-host)", text, re.MULTILINE)
    assert not re.search(r"(^|\s)/\w|\b[\w-]+ @ ", text)  # no machine's path, no direct reference
    entries = [entry for entry in re.split(r"\n(?=[a-z0-9])", text) if re.match(r"[a-z0-9]", entry)]
    assert entries
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_every_service_has_a_group_and_a_lock() -> None:
    assert set(SERVICES) == {path.name for path in (ROOT / "services").iterdir() if (path / "__main__.py").exists()}
    assert set(SERVICES) <= set(PYPROJECT["dependency-groups"])
    locks = {path.stem for path in (ROOT / "deploy/locks").glob("*.txt")}
    assert locks == {*SERVICES, "client", "dev", "uv"}


@pytest.mark.parametrize("service", SERVICES)
def test_the_lock_of_a_service_holds_all_that_it_imports(service: str) -> None:
    missing = _distributions(f"services.{service}") - _locked(service)
    assert missing == set(), f"services/{service} imports what deploy/locks/{service}.txt does not install"


def test_the_lock_of_the_client_holds_all_that_it_imports() -> None:
    assert _distributions("slt.client") - _locked("client") == set()


def test_one_version() -> None:
    assert PYPROJECT["project"]["version"] == slt.__version__ == importlib.metadata.version("safeguards-ledger")


# Layout


def test_every_service_and_library_has_a_readme() -> None:
    folders = [
        *(ROOT / "services" / name for name in SERVICES),
        *(path.parent for path in LIBS.glob("slt/*/__init__.py")),
    ]
    assert [str(folder.relative_to(ROOT)) for folder in folders if not (folder / "README.md").is_file()] == []


def test_pure_libraries_import_only_what_is_named_here() -> None:
    allowed = PURE_MAY_IMPORT | sys.stdlib_module_names
    strays = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in _pure_files()
        for name in _imports(path)
        if name.split(".")[0] not in allowed
    ]
    assert strays == []


def test_pure_libraries_and_cores_never_ask_the_clock_or_open_a_file() -> None:
    asked = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in [*_pure_files(), *ROOT.glob("services/*/core.py")]
        for node in ast.walk(_parsed(path))
        if isinstance(node, ast.Call)
        and (
            (isinstance(node.func, ast.Attribute) and node.func.attr in ASKS_THE_CLOCK)
            or (isinstance(node.func, ast.Name) and node.func.id in {"open", "input", "print"})
        )
    ]
    assert asked == []


# Helpers


def _make_targets() -> list[str]:
    phony = re.search(r"^\.PHONY: (.*)$", MAKEFILE.read_text(encoding="utf-8"), re.MULTILINE)
    assert phony
    return phony.group(1).split()


def _readme_commands() -> list[str]:
    """The lines of the README's shell blocks."""
    blocks = re.findall(
        r"^```(?:sh|shell|console)\n(.*?)^```", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    return [line.removeprefix("$ ").strip() for block in blocks for line in block.splitlines() if line.strip()]


def _readme_quotes() -> list[str]:
    without_blocks = re.sub(r"^```.*?^```", "", README.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"`([^`\n]+)`", without_blocks)


def _subcommand(words: list[str]) -> list[str]:
    """The command of `words`: one word, or two where the first is a group such as `keys`."""
    path: list[str] = []
    for word in words:
        if word.startswith("-") or not re.fullmatch(r"[a-z]+", word) or (path and "COMMAND" not in _slt_help(*path)):
            break
        path.append(word)
    return path


@cache
def _slt_help(*path: str) -> str:
    asked = subprocess.run(
        [sys.executable, "-m", "slt.client.cli", *path, "--help"],
        env={"COLUMNS": "200", "NO_COLOR": "1", "PATH": "", "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.returncode == 0, f"slt {' '.join(path)} --help: {asked.stderr or asked.stdout}"
    return asked.stdout


def _pure_files() -> Iterator[Path]:
    for name in PURE:
        yield from sorted((LIBS / "slt" / name).rglob("*.py"))


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _imports(path: Path) -> Iterator[str]:
    """The modules that a file imports; `from a import b` may mean the module a.b, so both are named."""
    for node in ast.walk(_parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _file(module: str) -> Path | None:
    base = (LIBS if module.split(".", maxsplit=1)[0] == "slt" else ROOT).joinpath(*module.split("."))
    return next((path for path in (base / "__init__.py", base.with_suffix(".py")) if path.is_file()), None)


def _distributions(package: str) -> set[str]:
    """The distributions that `package` imports, by itself and through our own libraries."""
    folder = (LIBS if package.split(".", maxsplit=1)[0] == "slt" else ROOT).joinpath(*package.split("."))
    waiting = list(folder.rglob("*.py"))
    seen: set[Path] = set()
    names: set[str] = set()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        for module in _imports(path):
            top = module.split(".")[0]
            if top in {"slt", "services", "tests"}:
                parents = [".".join(module.split(".")[:n]) for n in range(1, module.count(".") + 2)]
                waiting += [found for parent in parents if (found := _file(parent))]
            elif top not in sys.stdlib_module_names:
                names.add(top)
    known = importlib.metadata.packages_distributions()
    return {_normal(dist) for name in names for dist in known.get(name, [name])[:1]}


def _locked(name: str) -> set[str]:
    text = (ROOT / f"deploy/locks/{name}.txt").read_text(encoding="utf-8")
    return {_normal(entry) for entry in re.findall(r"^([A-Za-z0-9._-]+)==", text, re.MULTILINE)}


def _normal(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()

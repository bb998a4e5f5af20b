"""What follows `sam build`: bytecode that Lambda takes as it is, and nothing larger than Lambda takes."""

import marshal
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from clientway.local import build

RUNTIME = f"python{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def built(tmp_path):
    """A small build: one function and one layer."""
    for name, source in (("Hello/greetings/hello.py", "import ours\n"), ("OursLayer/python/ours.py", "WORD = 'hello'\n")):
        file = tmp_path / "build" / name
        file.parent.mkdir(parents=True)
        file.write_text(source)
    (tmp_path / "build" / "template.yaml").touch()
    return tmp_path / "build"


@pytest.fixture
def alone(monkeypatch, tmp_path):
    """A machine with one Python, the one that runs this."""
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "empty"))
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path / "empty"))
    return tmp_path


def _python(file: Path, tag: str) -> str:
    """What looks like an interpreter of another version."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\necho {tag}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return str(file)


def test_bytecode_is_read_without_a_look_at_the_source(built):
    build.finish(built, RUNTIME)
    os.utime(built / "OursLayer" / "python" / "ours.py", (0, 0))
    (built / "OursLayer" / "python" / "ours.py").write_text("WORD = 'changed'\n")
    command = [sys.executable, "-c", "from greetings import hello; print(hello.ours.WORD)"]
    path = os.pathsep.join([str(built / "Hello"), str(built / "OursLayer" / "python")])
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={"PYTHONPATH": path})

    assert done.stdout == "hello\n"


@pytest.mark.parametrize(
    ("source", "place"), [("Hello/greetings", "/var/task/greetings/hello.py"), ("OursLayer/python", "/opt/python/ours.py")]
)
def test_tracebacks_name_the_paths_on_lambda(built, source, place):
    build.finish(built, RUNTIME)
    [compiled] = (built / source / "__pycache__").iterdir()

    assert marshal.loads(compiled.read_bytes()[16:]).co_filename == place


@pytest.mark.usefixtures("alone")
def test_without_the_runtimes_python_the_build_is_whole_and_the_warning_says_what_to_do(built, capsys):
    build.finish(built, "python3.99")

    said = capsys.readouterr()
    assert "PYTHON399" in said.err
    assert "uv python install 3.99" in said.err
    assert "together, unpacked" in said.out
    assert not list(built.rglob("*.pyc"))


def test_an_interpreter_is_found_by_its_variable(alone, monkeypatch):
    monkeypatch.setenv("PYTHON399", _python(alone / "anywhere" / "python", "cpython-399"))

    assert build.interpreter("python3.99") == str(alone / "anywhere" / "python")


def test_a_shim_that_starts_nothing_is_passed_over_for_pyenvs_own(alone, monkeypatch):
    shim = Path(_python(alone / "shims" / "python3.99", ""))
    monkeypatch.setenv("PATH", str(shim.parent), prepend=os.pathsep)
    monkeypatch.setenv("PYENV_ROOT", str(alone / "pyenv"))
    own = _python(alone / "pyenv" / "versions" / "3.99.1" / "bin" / "python3.99", "cpython-399")

    assert build.interpreter("python3.99") == own


@pytest.mark.usefixtures("alone")
def test_the_folder_of_another_user_is_passed_over(monkeypatch):
    def refuse(_folder, _pattern):
        raise PermissionError

    monkeypatch.setattr(Path, "glob", refuse)

    assert build.interpreter("python3.99") is None


@pytest.mark.usefixtures("alone")
def test_another_version_compiles_nothing(alone, monkeypatch):
    monkeypatch.setenv("PYTHON399", _python(alone / "old" / "python", "cpython-398"))

    assert build.interpreter("python3.99") is None


def test_what_does_not_compile_is_not_shipped(built):
    (built / "Hello" / "greetings" / "hello.py").write_text("def broken(:\n")

    with pytest.raises(build.BuildError, match=r"hello\.py"):
        build.finish(built, RUNTIME)


def test_more_than_lambda_takes_is_refused(built):
    with (built / "OursLayer" / "python" / "data").open("wb") as file:
        file.truncate(int(build.LIMIT_MIB * 2**20))

    with pytest.raises(build.BuildError, match="Lambda takes 250"):
        build.finish(built, RUNTIME)


def test_a_folder_without_a_build_is_told(tmp_path):
    with pytest.raises(build.BuildError, match="no build"):
        build.finish(tmp_path / "nothing", RUNTIME)

"""What follows `sam build`: bytecode beside the sources, and a look at the sizes. `python -m clientway.local.build FOLDER RUNTIME`.

Lambda's code folders are read-only, so what is shipped without bytecode is compiled anew at every cold start: that takes three times as
long as loading it. The bytecode is checked against nothing (`unchecked-hash`), because packing and unpacking change the times of files.
"""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import typer

LIMIT_MIB = 250.0
"""Lambda's limit on a function and its layers, unpacked."""

# One process for all: there are as many copies of the functions as functions.
_COMPILE = """
import compileall, py_compile, sys
folders = zip(sys.argv[1::2], sys.argv[2::2])
mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
done = [compileall.compile_dir(f, quiet=1, force=True, invalidation_mode=mode, stripdir=f, prependdir=p) for f, p in folders]
sys.exit(not all(done))
"""


class BuildError(RuntimeError):
    """The build cannot be shipped; the message says why."""


def interpreter(runtime: str) -> str | None:
    """Return a Python whose bytecode this runtime ("python3.13") reads: any patch release of its minor version, on any processor.

    Looked for in $PYTHON313, on PATH, among pyenv's and among uv's.
    """
    version = runtime.removeprefix("python")
    tag = f"cpython-{version.replace('.', '')}"
    return next((found for found in _candidates(version) if _tag(found) == tag), None)


def _candidates(version: str) -> Iterator[str]:
    if chosen := os.environ.get(f"PYTHON{version.replace('.', '')}"):
        yield chosen
    yield sys.executable
    if on_path := shutil.which(f"python{version}"):
        yield on_path
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    with contextlib.suppress(PermissionError):  # another user's, left over in the environment
        yield from (str(found) for found in sorted(pyenv.glob(f"versions/{version}.*/bin/python{version}"), reverse=True))
    if uv := shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])):
        asked = [uv, "python", "find", "--no-python-downloads", "--managed-python", version]
        found = subprocess.run(asked, check=False, capture_output=True, text=True)  # noqa: S603  a program of ours or on the user's PATH
        yield from found.stdout.split("\n")[:1]


def _tag(python: str) -> str:
    """Ask an interpreter what it is: one on PATH may be a shim that starts nothing."""
    asked = [python, "-c", "import sys; print(sys.implementation.cache_tag)"]
    try:
        return subprocess.run(asked, check=False, capture_output=True, text=True).stdout.strip()  # noqa: S603  a candidate of ours
    except OSError:
        return ""


def compile_sources(folder: Path, python: str) -> None:
    """Put bytecode beside every source of a build, with the paths that the code has on Lambda. Raises BuildError."""
    places = [argument for one in artefacts(folder) for argument in (str(one), "/opt" if is_layer(one) else "/var/task")]
    done = subprocess.run([python, "-I", "-c", _COMPILE, *places], check=False, capture_output=True, text=True)  # noqa: S603  found above
    if done.returncode:
        raise BuildError(f"{python} cannot compile the build:\n{done.stdout}{done.stderr}")


def artefacts(folder: Path) -> list[Path]:
    """Return the folders that a build made: one for each function and each layer. Raises BuildError when there are none."""
    found = sorted(one for one in folder.iterdir() if one.is_dir()) if folder.is_dir() else []
    if not found:
        raise BuildError(f"There is no build in {folder}; sam build makes one.")
    return found


def is_layer(artefact: Path) -> bool:
    """Whether an artefact is a layer: Lambda looks for packages in a layer's folder `python`."""
    return (artefact / "python").is_dir()


def check_sizes(folder: Path) -> str:
    """Return the sizes, to be shown. Raises BuildError when a function and the layers together are larger than Lambda takes."""
    sizes = {one: sum(file.stat().st_size for file in one.rglob("*") if file.is_file()) / 2**20 for one in artefacts(folder)}
    layers = {one.name: size for one, size in sizes.items() if is_layer(one)}
    functions = {one.name: size for one, size in sizes.items() if not is_layer(one)}
    largest = max(functions, key=lambda name: functions[name])
    total = sum(layers.values()) + functions[largest]
    lines = [*layers.items(), (f"largest of {len(functions)} functions: {largest}", functions[largest]), ("together, unpacked", total)]
    if total > LIMIT_MIB:
        raise BuildError(f"{largest} and the layers have {total:.0f} MiB; Lambda takes {LIMIT_MIB:.0f}.")
    return "\n".join(f"{size:7.1f} MiB  {name}" for name, size in lines)


def finish(folder: Path, runtime: str) -> None:
    """Complete a build of `sam build`. Raises BuildError."""
    artefacts(folder)
    if python := interpreter(runtime):
        compile_sources(folder, python)
        typer.echo(f"Bytecode of {runtime} by {python}")
    else:
        variable = f"PYTHON{runtime.removeprefix('python').replace('.', '')}"
        typer.echo(
            f"WARNING: no {runtime} was found, so the build has no bytecode and cold starts take about three times as long. "
            f"Install it (`uv python install {runtime.removeprefix('python')}`) or say where it is: {variable}=/path/to/{runtime}.",
            err=True,
        )
    typer.echo(check_sizes(folder))


def main() -> None:
    """Complete the build in a folder."""
    try:
        finish(Path(sys.argv[1]), sys.argv[2])
    except BuildError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()

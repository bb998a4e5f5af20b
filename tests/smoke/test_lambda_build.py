"""`make build` as it is deployed: for Lambda's Python and processor, whatever this machine has, without Docker."""

from pathlib import Path

import pytest

from clientway.local import build
from tests.smoke.events import WHOLE
from tests.smoke.making import ROOT, make_build

AARCH64 = 183  # e_machine in the ELF header


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of a build, and what was said while it was made."""
    if not (ROOT / ".venv-sam" / "bin" / "sam").exists():
        pytest.skip("the SAM CLI is not installed; make test installs it")
    if not WHOLE:
        pytest.skip("make smoke builds for Lambda too; make test builds for this machine, by the same steps")
    folder = tmp_path_factory.mktemp("lambda") / "build"
    return folder, make_build(folder)


def test_what_is_compiled_is_for_lambdas_processor_and_python(made):
    found = list(made[0].rglob("*.so"))

    assert found
    assert {one.name.partition(".")[2] for one in found} == {"cpython-313-aarch64-linux-gnu.so"}
    assert {int.from_bytes(one.read_bytes()[18:20], "little") for one in found} == {AARCH64}


def test_every_source_has_its_bytecode_or_the_build_says_that_it_has_none(made):
    folder, said = made
    expected = [one.parent / "__pycache__" / f"{one.stem}.cpython-313.pyc" for one in folder.rglob("*.py")]
    if build.interpreter("python3.13") is None:
        assert "WARNING: no python3.13 was found" in said
        expected = []

    assert set(folder.rglob("*.pyc")) == set(expected)


def test_the_sizes_are_shown(made):
    assert "MiB  together, unpacked" in made[1]

"""A build, made as its user makes it."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def make_build(folder: Path, **variables: str) -> str:
    """Run `make build` into a folder; returns what it says."""
    # What make test has installed is not looked at again: other tests are using it.
    command = ["make", "-o", ".venv/.ready", "-o", ".venv-sam/.ready", "build", f"BUILD={folder}"]
    command += [f"{name}={value}" for name, value in variables.items()]
    inherited = {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MFLAGS", "MAKELEVEL"}}
    done = subprocess.run(command, cwd=ROOT, env=inherited, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr

"""The template as CloudFormation gets it: SAM's transform, run without AWS by the SAM CLI's own interpreter.

`.venv-sam/bin/python tests/transformed.py template.yaml` prints it as JSON.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
INTERPRETER = ROOT / ".venv-sam" / "bin" / "python"


def transformed(template: Path = ROOT / "template.yaml", **parameters: str) -> dict[str, Any]:
    """The transformed template, with its parameters' defaults unless given. Raises RuntimeError with what SAM says against it."""
    arguments = [f"{name}={value}" for name, value in parameters.items()]
    done = subprocess.run([INTERPRETER, __file__, template, *arguments], check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return json.loads(done.stdout)


def _transform(template: Path, parameters: dict[str, str]) -> dict[str, Any]:
    from samcli.lib.translate.sam_template_validator import SamTemplateValidator
    from samcli.yamlhelper import yaml_parse

    class NoPolicies:
        """Managed policies are named by their ARNs: the list of names is kept at AWS."""

        @staticmethod
        def load() -> dict[str, str]:
            return {}

    document = yaml_parse(template.read_text())
    given = {name: spec["Default"] for name, spec in document.get("Parameters", {}).items() if "Default" in spec} | parameters
    validator = SamTemplateValidator(document, NoPolicies(), region="us-east-1", parameter_overrides=given)
    return yaml_parse(validator.get_translated_template_if_valid())


if __name__ == "__main__":
    print(json.dumps(_transform(Path(sys.argv[1]), dict(one.split("=", 1) for one in sys.argv[2:])), default=str))

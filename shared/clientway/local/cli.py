"""The `clientway` command. Every `commands_*` module beside this one adds its part in a function `register(cli)`."""

import importlib
import pkgutil

import typer

from clientway import local

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)


@app.callback()
def clientway() -> None:
    """Clientway: run it on this machine and look after an installation."""


def _compose() -> None:
    for module in sorted(found.name for found in pkgutil.iter_modules(local.__path__) if found.name.startswith("commands_")):
        importlib.import_module(f"{local.__name__}.{module}").register(app)


_compose()

"""The `linli` command in this very process, in a folder of its own: a real process takes a second to start."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from typer.testing import CliRunner

from bot.terminal.commands import app


@dataclass(frozen=True)
class Terminal:
    """Where somebody types; nothing is configured but by `environ` and the files in the folder."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)

    def type(self, *arguments: str, stdin: str = "") -> tuple[int, str, str]:
        """Runs a command to its end; its exit code, what it said, and what it complained of."""
        before = os.getcwd()
        ours = {name: None for name in os.environ if name.startswith("LINLI_")}
        os.chdir(self.folder)
        try:
            ran = CliRunner().invoke(app, arguments, input=stdin, env={**ours, **self.environ})
        finally:
            os.chdir(before)
        if ran.exception is not None and not isinstance(ran.exception, SystemExit):
            raise ran.exception
        return ran.exit_code, ran.stdout, ran.stderr

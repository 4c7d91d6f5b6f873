"""The command `morl`: train, evaluate, play, choose, elicit, compare, export, list, check-env, demo.

This module imports next to nothing: every command's module, and torch with it, loads when the command runs,
so that `morl --help` is quick. What a command cannot do is one line on the error output and exit status 2.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from morl import registry
from morl.cli.leaving import end_soon
from morl.cli.output import complain, outputs
from morl.errors import MorlError, TrustError
from morl.plain_text import shell_command
from morl.signals import catching
from morl.step_limit import step_limit

DESCRIPTION = """Multi-objective reinforcement learning: train agents on environments with vector rewards,
evaluate the trade-offs they offer, compare the fronts, choose a policy. `morl COMMAND --help` explains a command."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status: 0, 2 for an error in the input, 128 + n for signal n.

    Without `argv` it is the process's own command, which ends though an environment left threads behind.
    """
    status = _run(list(sys.argv[1:] if argv is None else argv))
    if argv is None:
        end_soon(status)
    return status


def _run(arguments: list[str]) -> int:
    """Run one command; returns its exit status."""
    with warnings.catch_warnings(), outputs():
        warnings.showwarning = _show_warning  # type: ignore[assignment]
        try:
            try:
                _find_modules_here()
                options = _parse(arguments)
                command = importlib.import_module(options.module)
                # Until here nothing has begun, and a signal ends the process at once.
                with catching(), step_limit(getattr(options, "step_timeout", None)):
                    command.run(options)
            finally:
                sys.stdout.flush()
        except TrustError as error:
            complain("error", f"{error}: {shell_command('morl', *arguments, '--trust')}")
            return 2
        except (MorlError, OSError) as error:  # a file that cannot be read or written names itself
            complain("error", error)
            return 2
        except KeyboardInterrupt as interrupt:  # `Interrupted`, or a second Ctrl-C
            complain("", str(interrupt) or "stopped at once")
            return 128 + getattr(interrupt, "signal_number", 2)
    return 0


def _find_modules_here() -> None:
    """Let module:Class find what lies in the current folder."""
    try:
        registry.module_folder = os.getcwd()
    except FileNotFoundError:
        raise MorlError("the current folder was deleted; change into another one") from None


def _parse(arguments: list[str]) -> Any:
    """The options of the command that was asked for."""
    import tyro

    from morl.cli import notation, options

    commands: dict[str, Any] = dict(options.COMMANDS)
    if arguments[:1] == ["train"]:
        commands["train"] = options.train_options(arguments[1:])
    elif arguments[:1] == ["--version"]:
        from morl import __version__

        print(f"morl {__version__}")
        raise SystemExit(0)
    return tyro.extras.subcommand_cli_from_dict(
        commands,
        prog="morl",
        description=DESCRIPTION,
        args=arguments or ["--help"],
        registry=notation.NOTATION,
    )


def _show_warning(message: Warning | str, *_: Any) -> None:
    """One line, without the place in the code that raised it, nor the colours that Gymnasium gives to its own."""
    complain("warning", re.sub(r"\x1b\[[\d;]*m", "", str(message)))

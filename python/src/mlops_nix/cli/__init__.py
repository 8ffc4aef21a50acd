"""The command ``mlops-nix``: a thin skin that parses, calls and prints.

A command is a module or package of this folder that exposes ``command``, a `click.Command`; its name is the module's name. Adding one
touches nothing else. A command raises `MlopsNixError` for what went wrong and returns an `ExitCode` (or nothing, for success).
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from mlops_nix.errors import EXIT_CODE_MEANINGS, ExitCode, MlopsNixError

if TYPE_CHECKING:
    from collections.abc import Sequence


class CommandsByPlace(click.Group):
    """A group that finds its commands as modules beside this file and loads one only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands, in alphabetical order."""
        del ctx
        # os.listdir, not pkgutil: that alone takes a tenth of the start.
        place = os.path.dirname(__file__)
        return sorted(
            name.removesuffix(".py").replace("_", "-")
            for name in os.listdir(place)
            if not name.startswith(("_", "."))
            and (name.endswith(".py") or os.path.isfile(os.path.join(place, name, "__init__.py")))
        )

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load the command of that name."""
        if cmd_name not in self.list_commands(ctx):
            return None
        module = importlib.import_module(f"{__name__}.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command of the first argument, or say which one may have been meant."""
        name = args[0]
        names = self.list_commands(ctx)
        if name not in names and not name.startswith("-"):
            import difflib

            near = difflib.get_close_matches(name, names, n=1)
            suggestion = f"; did you mean {near[0]}?" if near else f"; expected one of {', '.join(names)}"
            ctx.fail(f"{name}: unknown command{suggestion}")
        return super().resolve_command(ctx, args)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of exit codes under the commands."""
        del ctx
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(int(code)), text) for code, text in EXIT_CODE_MEANINGS.items()])
        with formatter.section("Environment"):
            formatter.write_dl(
                [
                    ("NO_COLOR", "never colour the output"),
                    ("FORCE_COLOR", "colour the output although it is no terminal"),
                    ("MLOPS_NIX_DEBUG", "as --debug"),
                ]
            )


@click.group(
    cls=CommandsByPlace,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100, "terminal_width": None},
    invoke_without_command=False,
)
@click.option("--debug", is_flag=True, envvar="MLOPS_NIX_DEBUG", help="Show the Python trace of an error.")
@click.version_option(package_name="mlops-nix", prog_name="mlops-nix", message="%(prog)s %(version)s")
def group(debug: bool) -> None:
    """Render, check and apply Kubernetes manifests of machine-learning platforms written in Nix.

    \b
    Examples:
      mlops-nix init my-platform
      mlops-nix render my-platform/platform.nix --out rendered/
      mlops-nix validate rendered/
    """  # noqa: D301 (\b keeps click from re-wrapping the examples)
    del debug  # read by main(), which also needs it where parsing fails


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and end the process with its exit code."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; errors become text on stderr.

    Args:
        arguments: As in ``sys.argv[1:]``, which is the default.
    """
    args = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in args or os.environ.get("MLOPS_NIX_DEBUG", "") not in {"", "0"}
    try:
        complete = os.environ.get("_MLOPS_NIX_COMPLETE")
        if complete:
            from click.shell_completion import shell_complete

            return shell_complete(group, {}, "mlops-nix", "_MLOPS_NIX_COMPLETE", complete)
        # Not group.main(): that turns a closed pipe into exit code 1.
        with group.make_context("mlops-nix", args) as context:
            result = group.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help(), err=True)
        return ExitCode.USAGE
    except click.UsageError as error:
        return _usage(error)
    except click.ClickException as error:
        _show(error.format_message())
        return ExitCode.INVALID
    except MlopsNixError as error:
        if debug:
            raise
        _show(str(error), error.hint)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        if debug:
            raise
        click.echo("\ninterrupted", err=True)  # after the ^C of the terminal
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # The reader (`| head`) went away; Python would complain once more while it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.BROKEN_PIPE
    except Exception as error:
        if debug:
            raise
        _show(
            f"a bug of mlops-nix: {type(error).__name__}: {error}",
            f"`mlops-nix --debug {' '.join(args)}` shows the trace",
        )
        return ExitCode.INTERNAL
    return int(result) if isinstance(result, int) else ExitCode.OK


def _usage(error: click.UsageError) -> int:
    """Print a wrong usage: what is wrong, and where the help is, not the whole usage."""
    place = error.ctx.command_path if error.ctx else "mlops-nix"
    _show(error.format_message(), f"`{place} --help` shows the options")
    return ExitCode.USAGE


def _show(message: str, hint: str | None = None) -> None:
    """Print ``error: …`` with its details indented, and the hint."""
    from mlops_nix.console import Console

    console = Console()
    first, *details = message.splitlines() or [""]
    console.error(f"{console.style('error:', 'red', bold=True, error=True)} {first}")
    for line in details:
        console.error(f"  {line}" if line else "")
    if hint:
        console.error(f"  {console.style('hint:', 'cyan', error=True)} {hint}")


__all__: list[Any] = ["CommandsByPlace", "group", "main", "run"]

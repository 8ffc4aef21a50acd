"""Commands whose help reads well: a sentence, options in groups, examples to paste, exit codes."""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

import click

from mlops_nix.errors import EXIT_CODE_MEANINGS, ExitCode
from mlops_nix.nixeval import DEFAULT_TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from mlops_nix.console import Console
    from mlops_nix.target import Target


class DescribedCommand(click.Command):
    """A command that shows its options in groups, then examples and exit codes.

    Args:
        groups: The names of parameters under each heading; the rest stands under "Options".
        examples: Whole lines, as a user types them.
        exit_codes: What the codes mean here; 0, 64 and 130 are said for every command by ``mlops-nix --help``.
    """

    def __init__(
        self,
        *args: Any,
        groups: Mapping[str, Sequence[str]] | None = None,
        examples: Sequence[str] = (),
        exit_codes: Mapping[ExitCode, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.groups = groups or {}
        self.examples = examples
        self.exit_codes = exit_codes or {}

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options under the headings of their groups."""
        if any(parameter.name == "target" for parameter in self.params):
            with formatter.section("Target"):
                formatter.write_text(TARGET_HELP)
        records = {
            parameter.name: record
            for parameter in self.get_params(ctx)
            if isinstance(parameter, click.Option) and (record := parameter.get_help_record(ctx)) is not None
        }
        for heading, names in self.groups.items():
            found = [records.pop(name) for name in names if name in records]
            if found:
                with formatter.section(heading):
                    formatter.write_dl(found)
        if records:
            with formatter.section("Options"):
                formatter.write_dl(list(records.values()))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples and the exit codes."""
        del ctx
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write(f"{'':>{formatter.current_indent}}{example}\n")
        codes = {ExitCode.OK: EXIT_CODE_MEANINGS[ExitCode.OK], **self.exit_codes}
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(int(code)), meaning) for code, meaning in sorted(codes.items())])


def output_path(text: str) -> str:
    """Give the path of an option that is written to; `~` is the home although the shell leaves it in ``--out=~/x``.

    Args:
        text: As the user gave it.

    Raises:
        click.BadParameter: It is empty, as an unset variable of a shell is; that would be the working folder.
    """
    if not text:
        raise click.BadParameter("expected a path, found an empty text; . is the working folder")
    return os.path.expanduser(text)


class SubcommandsByPlace(click.Group):
    """A group that finds its subcommands as modules of a package, each with `command`, and loads one only when it is called.

    Args:
        package: The name of the package.
    """

    def __init__(self, *args: Any, package: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.package = package

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the subcommands, in alphabetical order."""
        del ctx
        names = os.listdir(next(iter(importlib.import_module(self.package).__path__)))
        return sorted(
            name.removesuffix(".py").replace("_", "-")
            for name in names
            if name.endswith(".py") and not name.startswith("_")
        )

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the subcommand of the first argument, or name those that there are."""
        names = self.list_commands(ctx)
        if args[0] not in names and not args[0].startswith("-"):
            ctx.fail(f"{args[0]}: unknown command; expected one of {', '.join(names)}")
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load the subcommand of that name."""
        if cmd_name not in self.list_commands(ctx):
            return None
        module = importlib.import_module(f"{self.package}.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command


TARGET_HELP = (
    "A Nix file, FILE#attribute, a folder with default.nix or platform.nix, a flake output (.#name), a rendered "
    "folder, or YAML or JSON manifests (- is stdin)."
)
TARGET_OPTIONS = ("timeout", "show_trace")


def target_argument(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the argument TARGET and the options of its evaluation: they arrive as `target`, `timeout` and `show_trace`."""
    command = click.option("--show-trace", is_flag=True, help="Show Nix's own trace of an evaluation error.")(command)
    command = click.option(
        "--timeout",
        type=click.FloatRange(min=0, min_open=True),
        default=DEFAULT_TIMEOUT,
        metavar="SECONDS",
        help=f"How long the evaluation may take.  [default: {DEFAULT_TIMEOUT:g}]",
    )(command)
    return click.argument("target", metavar="TARGET")(command)


def crd_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of fetching CRDs: they arrive as `source` and `offline`."""
    command = click.option("--offline", is_flag=True, help="Use the cache and --source, never the network.")(command)
    return click.option(
        "--source",
        metavar="DIR",
        help="A folder that holds CRD files under any name; they are found by hash. Also MLOPS_NIX_CRD_SOURCE.",
    )(command)


def load_target(text: str, console: Console, *, timeout: float, show_trace: bool) -> Target:
    """Load a target, telling on stderr what takes its time and what the expression says.

    Args:
        text: As the user gave it.
        console: Where progress goes.
        timeout: Seconds.
        show_trace: Show Nix's own trace of an evaluation error.
    """
    from mlops_nix.target import load

    target = load(text, timeout=timeout, show_trace=show_trace)
    for message in target.messages:
        if message.startswith("warning: "):
            console.warning(message.removeprefix("warning: "))
        else:
            console.error(message)
    return target

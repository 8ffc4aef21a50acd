"""Find Nix and evaluate a target with it, once, to JSON.

Nothing but Nix itself is needed: no nixpkgs, no network, and (for files) no writable store. What Nix says about an error is
reduced to the message and the place in the user's file; its own trace and decoration are left out, in the form of Nix 2.8
as well as in that of later versions.
"""

from __future__ import annotations

import os
import re
import selectors
import shutil
import signal
import subprocess
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from mlops_nix.errors import EvaluationError, InputError, ToolMissing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

OLDEST_NIX = (2, 8)
"""The oldest version that is supported: that of Debian 12."""

MAX_JSON_BYTES = 200 * 1024 * 1024
"""Largest result that is read. The whole set of all examples is below 10 MB."""

MAX_ERROR_BYTES = 4 * 1024 * 1024
"""How much of Nix's own output is kept; a trace beyond it is cut at its start, because the message stands at its end."""

DEFAULT_TIMEOUT = 300.0
"""Seconds after which an evaluation is given up; a platform of 1,000 applications takes about 10."""

_HERE = Path(__file__).resolve().parent
_EXPRESSIONS = _HERE / "nix"
_FEATURES = ("--extra-experimental-features", "nix-command flakes")
# Where installers put Nix without every shell having it on PATH.
_USUAL_PLACES = (
    "/nix/var/nix/profiles/default/bin",
    "~/.nix-profile/bin",
    "~/.local/state/nix/profile/bin",
    "/run/current-system/sw/bin",
    "/usr/local/bin",
    "/usr/bin",
)


@dataclass(frozen=True)
class Nix:
    """An installed Nix: the folder of its programs, and its version."""

    folder: Path
    version: tuple[int, ...]

    @property
    def version_text(self) -> str:
        """``2.8.0``."""
        return ".".join(map(str, self.version))


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation gave.

    Attributes:
        json: The value.
        messages: What the expression itself said on the way (``builtins.trace``, Nix's warnings), a line each.
    """

    json: bytes
    messages: tuple[str, ...] = ()


def find_nix() -> Nix:
    """Find Nix on PATH, then where its installers put it.

    Raises:
        ToolMissing: There is none, it does not run, or it is older than `OLDEST_NIX`.
    """
    program = shutil.which("nix-instantiate")
    for place in _USUAL_PLACES if program is None else ():
        program = program or shutil.which("nix-instantiate", path=os.path.expanduser(place))
    if program is None:
        raise ToolMissing(
            "Nix is not installed (no nix-instantiate on PATH or in the usual places)", hint=_install_hint()
        )
    try:
        answer = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        raise ToolMissing(f"Nix does not run: {error}", path=program, hint=_install_hint()) from None
    found = re.findall(r"\d+(?:\.\d+)+", answer.stdout)
    if answer.returncode != 0 or not found:
        said = (answer.stderr or answer.stdout).strip().splitlines()
        raise ToolMissing(
            f"Nix does not run: {said[-1] if said else f'exit code {answer.returncode}'}",
            path=program,
            hint=_install_hint(),
        )
    # "nix-instantiate (Nix) 2.8.0"; Lix and Determinate Nix write their own version before the one of Nix.
    version = tuple(int(part) for part in found[-1].split("."))
    if version < OLDEST_NIX:
        oldest = ".".join(map(str, OLDEST_NIX))
        raise ToolMissing(f"Nix {found[-1]} is too old; expected {oldest} or newer", path=program, hint=_install_hint())
    return Nix(Path(program).parent, version)


def _install_hint() -> str:
    if shutil.which("apt-get"):
        return "apt-get install nix-bin (as root), or the installer of https://nixos.org/download"
    return "install it from https://nixos.org/download"


def library_path() -> Path | None:
    """Find the Nix library: ``MLOPS_NIX_LIB``, the checkout that this package lies in, or the copy inside the package.

    Raises:
        InputError: ``MLOPS_NIX_LIB`` is set and names no library.
    """
    chosen = os.environ.get("MLOPS_NIX_LIB")
    if chosen:
        library = Path(chosen).expanduser().absolute()
        if not (library / "default.nix").is_file():
            raise InputError("MLOPS_NIX_LIB: expected a folder with default.nix", path=str(library))
        return library
    for library in (_HERE.parents[2] / "lib", _HERE / "data" / "lib"):
        if (library / "default.nix").is_file():
            return library
    return None


def evaluate_file(
    file: Path, attribute: str = "", *, timeout: float = DEFAULT_TIMEOUT, show_trace: bool = False
) -> Evaluation:
    """Evaluate a Nix file, or a folder with default.nix, to its set document.

    Args:
        file: A platform, a component, a function of the library that gives one, or an attribute set with `platform`.
        attribute: A path inside it (``clusters.forge``).
        timeout: Seconds.
        show_trace: Leave Nix's own trace in the message of an error.

    Raises:
        ToolMissing: No usable Nix.
        EvaluationError: Nix refused the expression, took too long, or gave too much.
    """
    library = library_path()
    arguments = {"library": str(library or ""), "target": str(file.absolute()), "attribute": attribute}
    return _instantiate("target.nix", arguments, library, timeout=timeout, show_trace=show_trace)


def evaluate_library(attribute: str, *, timeout: float = DEFAULT_TIMEOUT, show_trace: bool = False) -> Evaluation:
    """Evaluate an attribute of the library itself, such as ``reference``.

    Args:
        attribute: Its name.
        timeout: Seconds.
        show_trace: As in `evaluate_file`.

    Raises:
        InputError: There is no library.
        ToolMissing: As in `evaluate_file`.
        EvaluationError: As in `evaluate_file`.
    """
    library = library_path()
    if library is None:
        raise InputError(
            "the Nix library was not found beside the command", hint="set MLOPS_NIX_LIB to its folder lib/"
        )
    arguments = {"library": str(library), "attribute": attribute}
    return _instantiate("library.nix", arguments, library, timeout=timeout, show_trace=show_trace)


def evaluate_flake(reference: str, *, timeout: float = DEFAULT_TIMEOUT, show_trace: bool = False) -> Evaluation:
    """Evaluate an output of a flake to its set document, purely, with flakes switched on for this call only.

    Args:
        reference: ``.#name``, ``github:owner/repository#name``; without ``#`` the default output.
        timeout: Seconds.
        show_trace: As in `evaluate_file`.

    Raises:
        ToolMissing: As in `evaluate_file`.
        EvaluationError: As in `evaluate_file`.
    """
    nix = find_nix()
    program = nix.folder / "nix"
    if not program.exists():
        raise ToolMissing(
            "the command nix is missing beside nix-instantiate", path=str(nix.folder), hint=_install_hint()
        )
    # Some versions parse what follows --apply as one expression with its own comments, so the text goes in as it is.
    pick = f"value: ({(_EXPRESSIONS / 'pick.nix').read_text()}) null [ ] value"
    command = [str(program), *_FEATURES, "eval", "--json", reference, "--apply", pick]
    return _run(command, None, timeout=timeout, show_trace=show_trace)


def _instantiate(
    expression: str, arguments: dict[str, str], library: Path | None, *, timeout: float, show_trace: bool
) -> Evaluation:
    command = [
        str(find_nix().folder / "nix-instantiate"),
        "--eval",
        "--strict",
        "--json",
        str(_EXPRESSIONS / expression),
    ]
    for name, value in arguments.items():
        command += ["--argstr", name, value]
    return _run(command, library, timeout=timeout, show_trace=show_trace)


# A user without root and without the daemon can't open the store of the system.
_NO_STORE = re.compile(
    r"daemon-socket|/nix/(?:var|store)\S*'?: Permission denied|creating directory '/nix|opening lock file '/nix"
)


def _run(command: Sequence[str], library: Path | None, *, timeout: float, show_trace: bool) -> Evaluation:
    trace = ["--show-trace"] if show_trace else []
    code, out, err = _capture([*command, *trace], timeout)
    if code != 0 and _NO_STORE.search(err):
        code, out, err = _capture([*command, *trace, *_own_store(command)], timeout)
    if code != 0:
        _refuse(code, err, library, show_trace=show_trace)
    return Evaluation(out, tuple(_messages(err)))


def _own_store(command: Sequence[str]) -> list[str]:
    """Give a store that the user may write: none at all for files, a folder of the cache for the sources of a flake."""
    if command[0].endswith("nix-instantiate"):
        return ["--store", "dummy://"]
    from mlops_nix.crds import cache_folder

    # Sources are no build results: there is nothing to ask a binary cache for.
    return ["--store", str(cache_folder() / "nix"), "--option", "substituters", ""]


def _capture(command: Sequence[str], timeout: float) -> tuple[int, bytes, str]:
    """Run Nix with bounded output and time; its whole process group ends with us."""
    with _interrupts_held() as interrupted:
        try:
            process = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                env={**os.environ, "LC_ALL": os.environ.get("LC_ALL", "C.UTF-8")},
            )
        except OSError as error:
            raise ToolMissing(f"Nix does not run: {(error.strerror or str(error)).lower()}", path=command[0]) from None
    out, err = bytearray(), bytearray()
    deadline = time.monotonic() + timeout
    try:
        if interrupted:
            raise KeyboardInterrupt
        with selectors.DefaultSelector() as selector:
            assert process.stdout is not None  # noqa: S101 (both are pipes, as asked for above)
            assert process.stderr is not None  # noqa: S101
            selector.register(process.stdout, selectors.EVENT_READ, out)
            selector.register(process.stderr, selectors.EVENT_READ, err)
            while selector.get_map():
                left = deadline - time.monotonic()
                if left <= 0:
                    raise EvaluationError(
                        f"Nix did not finish in {timeout:g} seconds",
                        hint="an endless recursion in the expression, or a slow machine: --timeout gives it longer",
                    )
                for key, _ in selector.select(left):
                    chunk = os.read(key.fd, 1 << 18)
                    if not chunk:
                        selector.unregister(key.fileobj)
                    key.data.extend(chunk)
                if len(out) > MAX_JSON_BYTES:
                    raise EvaluationError(
                        f"the result is larger than {MAX_JSON_BYTES // 1024 // 1024} MiB",
                        hint="split the platform; one of 1,000 applications has 20 MB",
                    )
                del err[: max(0, len(err) - MAX_ERROR_BYTES)]
        code = process.wait(timeout=max(1.0, deadline - time.monotonic()))
    finally:
        _end(process)
    return code, bytes(out), err.decode(errors="replace")


@contextmanager
def _interrupts_held() -> Iterator[list[int]]:
    """Hold Ctrl-C back while Nix is started: an interrupt in between would leave it running with nobody to end it.

    The list that is given has an element if there was one.
    """
    held: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield held
        return
    previous = signal.signal(signal.SIGINT, lambda number, _: held.append(number))
    try:
        yield held
    finally:
        signal.signal(signal.SIGINT, previous if previous is not None else signal.SIG_DFL)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End Nix and what it started, if it still runs."""
    if process.poll() is None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            process.kill()
        process.wait()
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()


# --- what Nix says --------------------------------------------------------------------------------------------------------------

_COLOUR = re.compile(r"\x1b\[[0-9;]*[a-zA-Z]")
_NOISE = re.compile(r"\s*\((?:use '--show-trace'|stack trace truncated).*\)\s*")
_PLACE = re.compile(r"\s+at (?P<place>(?P<file>.+?):(?P<line>\d+)(?::(?P<column>\d+))?):(?P<rest>Did you mean .*)?$")
_SNIPPET = re.compile(r"\s+(?:\d+)?\|(?: |$)")
_ERROR = re.compile(r"(?P<indent>\s*)error: ?(?P<message>.*)")
_THROWN = re.compile(r"evaluation aborted with the following error message: '(?P<message>.*)'", re.DOTALL)


@dataclass(frozen=True)
class NixMessage:
    """The part of Nix's output that is about the user's mistake.

    Attributes:
        text: The message; several lines where the thrown text had several.
        place: ``file:line:column`` that Nix itself gives for it.
        trace: The places on the way to it, outermost first, as far as Nix printed them.
    """

    text: str
    place: str | None = None
    trace: tuple[str, ...] = ()


def read_message(stderr: str) -> NixMessage:
    """Find the message in what Nix wrote to stderr.

    Nix 2.8 writes ``error: MESSAGE``, its further lines indented by seven columns, then the place with a piece of source. Later
    versions write the trace first (under a bare ``error:``) and the message in a block ``error: MESSAGE`` indented by seven.
    """
    lines = [line.rstrip() for line in _COLOUR.sub("", stderr).splitlines() if not _NOISE.fullmatch(line)]
    starts = [number for number, line in enumerate(lines) if line.startswith("error:")]
    if not starts:
        rest = [line for line in lines if line.strip() and not line.startswith(("trace:", "warning:"))]
        return NixMessage("\n".join(rest[-5:]).strip())
    start = starts[-1]
    nested = [number for number in range(start + 1, len(lines)) if lines[number].startswith("       error: ")]
    # A message of several lines may itself hold a line "error: …", so only a bare first line has the message further down.
    head = nested[-1] if nested and lines[start].strip() == "error:" else start
    trace = [match["place"] for line in lines[start:head] if (match := _PLACE.fullmatch(line))]
    first = _ERROR.fullmatch(lines[head])
    text = [first["message"] if first else lines[head]]
    place = None
    for number in range(head + 1, len(lines)):
        line = lines[number]
        found = _PLACE.fullmatch(line)
        following = next((after for after in lines[number + 1 :] if after), "")
        if found and (_SNIPPET.match(following) or not following):
            place = place or found["place"]
            text += [found["rest"]] if found["rest"] else []  # 2.8, where it has no source to show
        elif place is not None and (not line or _SNIPPET.match(line)):
            continue
        elif line.startswith(("       … ", "… ")):  # a trace below the message, as 2.8 writes it with --show-trace
            trace += [match["place"] for after in lines[number:] if (match := _PLACE.fullmatch(after))]
            break
        else:
            text.append(line.removeprefix("       "))
    message = "\n".join(line for line in text if line or place is None).strip()
    thrown = _THROWN.fullmatch(message)
    return NixMessage(thrown["message"] if thrown else message, place, tuple(trace))


def _messages(stderr: str) -> list[str]:
    lines = [line for line in _COLOUR.sub("", stderr).splitlines() if line.startswith(("trace: ", "warning: "))]
    # The state of a Git checkout is known to who works in it.
    return [line for line in lines if not (line.startswith("warning: Git tree") and line.endswith("is dirty"))]


def _refuse(code: int, stderr: str, library: Path | None, *, show_trace: bool) -> NoReturn:
    message = read_message(stderr)
    text = message.text or (f"Nix ended with signal {-code}" if code < 0 else f"Nix ended with exit code {code}")
    ours = (str(_EXPRESSIONS), *((str(library), str(library.parent / "modules")) if library else ()))

    def theirs(place: str | None) -> bool:
        return place is not None and not place.startswith((*ours, "«"))

    if show_trace:
        detail = _COLOUR.sub("", stderr).strip()
        raise EvaluationError(f"{text.splitlines()[0]}\n{detail}")
    place = message.place if theirs(message.place) else None
    if message.place and not place:
        # Nix's own error inside the library: the last step on the way that is the user's.
        place = next((step for step in reversed(message.trace) if theirs(step)), None)
    if place:
        text = f"{text}\nat {place}"
    elif message.place and not message.place.startswith("«"):
        text = f"{text}\nat {message.place}"
    raise EvaluationError(_nearby(text), hint=_hint(text, message))


def _nearby(text: str) -> str:
    """Shorten the places in a message to how the user would write them here: relative to the working folder."""
    try:
        here = os.getcwd()
    except OSError:  # it was deleted
        return text
    return re.sub(rf"(?m)^(\s*at ){re.escape(here.rstrip('/'))}/(?=\S)", r"\1", text) if here != "/" else text


def _hint(text: str, message: NixMessage) -> str | None:
    """Say the way out for what Nix itself says; the library's messages bring their own."""
    if "stack overflow" in text or "infinite recursion" in text or "max-call-depth" in text:
        return (
            "two values need each other, as when two components are wired into one another; --show-trace shows the way"
        )
    if "experimental" in text and "feature" in text:
        return "this Nix has the new command line compiled out; give the file instead of a flake reference"
    if "store path" in text or re.search(r"/nix/store/\S+-source/", text):
        return "a flake in a Git checkout sees only files that Git knows: `git add` them"
    if re.search(r"(?:unable to download|Couldn't resolve host|Could not resolve host)", text):
        return "the flake has an input that is not locked or not fetched; `nix flake lock` needs the network once"
    return "--show-trace shows the way to it" if message.place else None

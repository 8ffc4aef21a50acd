"""Write a folder of files so that each appears whole or not at all, and nothing of anyone else's is ever touched.

A folder carries a list of what was written into it (path -> sha256, inside a JSON file). From it and from what lies there a
plan is made first: what is new, changed, unchanged or stale, and what stands in the way. A file that is not on the list is
foreign and is neither overwritten nor deleted. Writing then happens in a staging folder on the same file system (a full disk
shows there, with nothing changed yet) and each file is renamed into place. A journal makes a run that was killed halfway
repeatable: what it wrote counts as ours.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
import stat
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_nix.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LIST_FORMAT = "mlops-nix/files/v1"
LIST_NAME = ".mlops-nix-files.json"
"""The list of a folder that carries no set document."""

_JOURNAL = ".mlops-nix-journal.json"
_STAGING = ".mlops-nix-staging-"
_LONGEST_NAME = 255
_LONGEST_PATH = 1024
_WRITERS = 8
_SHOWN = 10


def sha256(content: bytes) -> str:
    """Give the hexadecimal digest by which files are compared."""
    return hashlib.sha256(content).hexdigest()


def safe_path(text: str) -> str:
    """Check that a relative path stays inside the folder on every system, and give it back.

    Args:
        text: A path with forward slashes, as the set document has it.

    Raises:
        InputError: It is absolute, leaves the folder, is not in its shortest form, or cannot be a file name.
    """
    problem = _path_problem(text)
    if problem:
        raise InputError(f"{text!r} is no path for a file of the folder: {problem}")
    return text


def _path_problem(text: str) -> str | None:
    if not text:
        return "it is empty"
    if text.startswith(("/", "~")):
        return "it is absolute"
    if "\\" in text or (len(text) > 1 and text[1] == ":"):
        return "it has a backslash or a drive"
    if any(ord(character) < ord(" ") or ord(character) == 0x7F for character in text):  # noqa: PLR2004 (DEL)
        return "it has a control character"
    try:
        encoded = text.encode()
    except UnicodeEncodeError:
        return "it is not valid Unicode"
    parts = text.split("/")
    if ".." in parts:
        return "it leaves the folder"
    if "" in parts or "." in parts:
        return "it has an empty part"
    if len(encoded) > _LONGEST_PATH or any(len(part.encode()) > _LONGEST_NAME for part in parts):
        return f"a part is longer than {_LONGEST_NAME} bytes, or the whole than {_LONGEST_PATH}"
    if parts[0] == _JOURNAL or parts[0].startswith(_STAGING):
        return "the name is reserved"
    return None


@dataclass(frozen=True)
class Plan:
    """What writing would do, all paths relative to the folder.

    Attributes:
        new: Files that do not exist yet.
        changed: Files of ours whose content changes.
        unchanged: Files that are as they should be.
        stale: Files of ours that are no longer part of the set; they are deleted.
        edited: Files of ours that someone has edited since; overwritten or deleted only by force.
        foreign: Files (or folders, links) in the way that we did not write; never touched.
    """

    new: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    edited: tuple[str, ...] = ()
    foreign: tuple[tuple[str, str], ...] = ()

    @property
    def is_current(self) -> bool:
        """Whether the folder is as it should be."""
        return not (self.new or self.changed or self.stale or self.edited or self.foreign)

    @property
    def differences(self) -> dict[str, str]:
        """Each path that is not as it should be, with a word that says why."""
        found = {
            **dict.fromkeys(self.new, "missing"),
            **dict.fromkeys(self.changed, "outdated"),
            **dict.fromkeys(self.stale, "stale"),
            **dict.fromkeys(self.edited, "edited"),
            **dict(self.foreign),
        }
        return dict(sorted(found.items()))


@dataclass
class OutputFolder:
    """A folder that is kept equal to a set of files.

    Args:
        path: The folder; it need not exist.
        list_name: The file in it that lists what was written; its content is among the files to write, or made here.
    """

    path: Path
    list_name: str = LIST_NAME

    def plan(self, contents: Mapping[str, bytes]) -> Plan:
        """Compare the folder with what it should hold; nothing is changed.

        Args:
            contents: The bytes of each file by path.

        Raises:
            InputError: A path is unsafe, two paths exclude one another, or the folder cannot be read.
        """
        contents = self._with_list(contents)
        check_paths(contents)
        own = self._written()
        kinds: dict[str, list[str]] = {"new": [], "changed": [], "unchanged": [], "edited": [], "stale": []}
        foreign: dict[str, str] = {}
        for path, content in contents.items():
            state = self._state(path)
            if state is None:
                kinds["new"].append(path)
            elif not _is_digest(state):
                foreign[path] = state
            elif state == sha256(content):
                kinds["unchanged"].append(path)
            elif path == self.list_name and self._is_list(path):
                kinds["changed"].append(path)
            elif path not in own:
                foreign[path] = "not written by mlops-nix"
            else:
                kinds["changed" if state in own[path] else "edited"].append(path)
        for path in sorted(own.keys() - contents.keys()):
            if _path_problem(path):  # the list was tampered with: nothing outside the folder is ever looked at
                continue
            state = self._state(path)
            if state is not None and _is_digest(state):
                kinds["stale" if state in own[path] else "edited"].append(path)
        return Plan(**{kind: tuple(paths) for kind, paths in kinds.items()}, foreign=tuple(sorted(foreign.items())))

    def write(self, contents: Mapping[str, bytes], *, force: bool = False) -> Plan:
        """Make the folder equal to the contents.

        Args:
            contents: The bytes of each file by path. If the list of the folder is not among them, it is added.
            force: Overwrite and delete files of ours that were edited by hand.

        Returns:
            What was done.

        Raises:
            InputError: Something foreign or edited is in the way, the folder cannot be written, or the disk is full. Nothing
                was changed then, unless the message says otherwise; running it again finishes the work.
        """
        contents = self._with_list(contents)
        if not os.path.lexists(self.path):
            return self._write_new(contents)
        with self._locked():
            plan = self.plan(contents)
            self._refuse(plan, force=force)
            if not plan.is_current or (self.path / _JOURNAL).exists():
                self._write_changes(contents, plan)
        return plan

    def _with_list(self, contents: Mapping[str, bytes]) -> dict[str, bytes]:
        if self.list_name in contents:
            return dict(contents)
        listed = {path: sha256(content) for path, content in sorted(contents.items())}
        return {**contents, self.list_name: _dump({"format": LIST_FORMAT, "files": listed})}

    # --- looking ---------------------------------------------------------------------------------------------------------------

    def _state(self, path: str) -> str | None:
        """Give the sha256 of the file at a path, nothing where there is none, or words where it is no file of ours."""
        place = self.path
        parts = path.split("/")
        try:
            for part in parts[:-1]:
                place /= part
                mode = os.lstat(place).st_mode
                if stat.S_ISLNK(mode):
                    return f"{place.relative_to(self.path)} is a symbolic link"
                if not stat.S_ISDIR(mode):
                    return f"{place.relative_to(self.path)} is a file"
            place /= parts[-1]
            mode = os.lstat(place).st_mode
            if stat.S_ISLNK(mode):
                return "is a symbolic link"
            if not stat.S_ISREG(mode):
                return "is a folder" if stat.S_ISDIR(mode) else "is no file"
            return sha256(place.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise InputError(f"cannot be read: {_reason(error)}", path=str(place)) from None

    def _written(self) -> dict[str, set[str]]:
        """Give the digests of all that was written here by us, by path: from the list, and from the journal of a killed run."""
        own: dict[str, set[str]] = {}
        for name in (self.list_name, _JOURNAL):
            for path, digests in self._listed(name).items():
                own.setdefault(path, set()).update(digests)
        return own

    def _listed(self, name: str) -> dict[str, list[str]]:
        value = _load(self.path / name)
        files = value.get("files") if isinstance(value, dict) else None
        if not isinstance(files, dict):
            return {}
        return {
            path: [digests] if isinstance(digests, str) else [digest for digest in digests if isinstance(digest, str)]
            for path, digests in files.items()
            if isinstance(digests, str | list)
        }

    def _is_list(self, path: str) -> bool:
        """Tell whether the file is a list of ours, of whatever state: its own digest stands nowhere."""
        value = _load(self.path / path)
        return isinstance(value, dict) and str(value.get("format", "")).startswith("mlops-nix/")

    def _refuse(self, plan: Plan, *, force: bool) -> None:
        if plan.foreign:
            path, why = plan.foreign[0]
            more = f" (and {len(plan.foreign) - 1} more)" if len(plan.foreign) > 1 else ""
            raise InputError(
                f"in the way: {why}{more}",
                path=str(self.path / path),
                hint="move it away, or choose another folder; files of others are never overwritten",
            )
        if plan.edited and not force:
            names = [f"{path} was edited since it was written" for path in plan.edited[:_SHOWN]]
            if len(plan.edited) > _SHOWN:
                names.append(f"and {len(plan.edited) - _SHOWN} more")
            raise InputError(
                "files were edited by hand\n" + "\n".join(names),
                path=str(self.path),
                hint="put the change into the Nix expression (`patches`), then --force overwrites the files",
            )

    # --- writing ---------------------------------------------------------------------------------------------------------------

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep a second run out of the folder; the lock ends with the process, however it ends."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        except NotADirectoryError:
            raise InputError("expected a folder, found a file", path=str(self.path)) from None
        except OSError as error:
            raise InputError(f"cannot be opened: {_reason(error)}", path=str(self.path)) from None
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InputError("another run writes this folder", path=str(self.path), hint="wait for it") from None
            except OSError:
                pass  # a file system without locks, such as some network mounts
            yield
        finally:
            os.close(descriptor)

    def _write_new(self, contents: dict[str, bytes]) -> Plan:
        """Write a folder that does not exist yet: beside its place, then by one rename."""
        check_paths(contents)
        staging = self.path.parent / f".{self.path.name}{_STAGING}{uuid.uuid4().hex[:8]}"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            staging.mkdir()
            _stage(staging, contents)
            staging.rename(self.path)
            _sync(self.path.parent)
        except OSError as error:
            raise self._failed(error) from error
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        return Plan(new=tuple(contents))

    def _write_changes(self, contents: dict[str, bytes], plan: Plan) -> None:
        for leftover in self.path.glob(f"{_STAGING}*"):  # of a run that was killed: we hold the lock
            shutil.rmtree(leftover, ignore_errors=True)
        overwritten = [path for path in plan.edited if path in contents]
        write = [path for path in (*plan.new, *plan.changed, *overwritten) if path != self.list_name]
        delete = [*plan.stale, *(path for path in plan.edited if path not in contents)]
        staging = self.path / f"{_STAGING}{uuid.uuid4().hex[:8]}"
        done = 0
        try:
            staging.mkdir()
            _stage(staging, {path: contents[path] for path in (*write, self.list_name)})
            own = self._written()
            for path, content in contents.items():
                own.setdefault(path, set()).add(sha256(content))
            _replace(self.path / _JOURNAL, _dump({"files": {path: sorted(own[path]) for path in sorted(own)}}), staging)
            for path in write:
                place = self.path / path
                place.parent.mkdir(parents=True, exist_ok=True)
                (staging / path).rename(place)
                done += 1
            (staging / self.list_name).rename(self.path / self.list_name)
            for path in delete:
                (self.path / path).unlink(missing_ok=True)
                self._remove_empty(path)
            for folder in {(self.path / path).parent for path in write}:
                _sync(folder)
            _sync(self.path)
            (self.path / _JOURNAL).unlink(missing_ok=True)
        except OSError as error:
            raise self._failed(error, done, len(write)) from error
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def _remove_empty(self, path: str) -> None:
        """Remove the folders above a deleted file that have become empty."""
        for parent in Path(path).parents:
            if parent == Path():
                return
            try:
                (self.path / parent).rmdir()
            except OSError:
                return

    def _failed(self, error: OSError, done: int = 0, total: int = 0) -> InputError:
        if done:
            message, hint = (
                f"{done} of {total} files were written, then: {_reason(error)}",
                "run it again: it finishes the work",
            )
        else:
            message, hint = f"cannot be written: {_reason(error)}; nothing was changed", None
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            hint = "free some space, and run it again"
        return InputError(message, path=str(self.path), hint=hint)


def check_paths(paths: Mapping[str, Any]) -> None:
    """Check that all paths are safe and can exist beside one another.

    Raises:
        InputError: One is unsafe, or one is the folder of another.
    """
    for path in paths:
        safe_path(path)
        place = path
        while "/" in place:
            place = place.rpartition("/")[0]
            if place in paths:
                raise InputError(f"{path} and {place} exclude one another: one is the folder of the other")


def replace_file(path: Path, content: bytes) -> bool:
    """Write one file that the user named, whole or not at all.

    Args:
        path: The file; its folder is made where it is missing.
        content: Its bytes.

    Returns:
        Whether it changed; a file that is as it should be keeps its time.

    Raises:
        InputError: It cannot be written.
    """
    temporary = path.with_name(f".{path.name}{_STAGING}{uuid.uuid4().hex[:8]}")
    try:
        if path.is_file() and path.read_bytes() == content:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_file(temporary, content)
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise InputError(f"cannot be written: {_reason(error)}; nothing was changed", path=str(path)) from None
    return True


def _is_digest(state: str) -> bool:
    return len(state) == 64 and " " not in state  # noqa: PLR2004 (the length of a sha256)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _dump(value: Any) -> bytes:
    return (json.dumps(value, indent=2) + "\n").encode()


def _load(path: Path) -> Any:
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return None
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None


def _stage(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write all files below the folder and wait until the disk has them; several at once, since each waits for the disk."""
    for parent in sorted({(folder / path).parent for path in contents}):
        parent.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(_WRITERS) as writers:
        for _ in writers.map(lambda item: _write_file(folder / item[0], item[1]), contents.items()):
            pass
    for parent in {(folder / path).parent for path in contents} | {folder}:
        _sync(parent)


def _write_file(path: Path, content: bytes) -> None:
    with open(path, "xb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _replace(path: Path, content: bytes, staging: Path) -> None:
    temporary = staging / f"{path.name}.new"
    _write_file(temporary, content)
    temporary.rename(path)


def _sync(folder: Path) -> None:
    """Make renames in a folder durable; not every file system knows how."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

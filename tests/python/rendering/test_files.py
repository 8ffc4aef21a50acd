"""A folder is written whole or not at all, and nothing of anyone else's is ever touched."""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlops_nix.errors import InputError
from mlops_nix.files import OutputFolder, check_paths, replace_file, safe_path

FILES = {"a.yaml": b"a\n", "dir/b.yaml": b"b\n", "dir/deep/c.yaml": b"c\n"}


def content(folder: Path) -> dict[str, bytes]:
    """All files below a folder but our own list."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".mlops-nix-files.json"
    }


def times(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


# --- paths -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/passwd",
        "../x",
        "a/../../x",
        "a//b",
        "./a",
        "a/.",
        "~/x",
        "a\\b",
        "C:/x",
        "a\nb",
        "a\0b",
        "x" * 256,
        "a/" * 600 + "b",
    ],
)
def test_a_path_that_is_not_plainly_inside_the_folder_is_refused(path: str) -> None:
    with pytest.raises(InputError, match="is no path for a file"):
        safe_path(path)


@given(st.text(max_size=40))
def test_whatever_path_is_accepted_stays_inside_the_folder(text: str) -> None:
    try:
        accepted = safe_path(text)
    except InputError:
        return
    joined = os.path.normpath(os.path.join("/out", accepted))
    assert joined == f"/out/{accepted}"
    assert ".." not in PurePosixPath(accepted).parts
    accepted.encode()


@given(st.lists(st.text(alphabet="a./~\\\0\n-", max_size=6), max_size=4).map("/".join))
@settings(max_examples=300)
def test_paths_of_the_characters_that_matter_never_leave_the_folder(text: str) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "out")
        try:
            OutputFolder(folder).write({text: b"x"})
        except InputError:
            assert not os.path.lexists(folder)
        else:
            assert (folder / text).read_bytes() == b"x"
        assert os.listdir(place) in ([], ["out"])


def test_a_file_and_a_folder_of_one_name_exclude_one_another() -> None:
    with pytest.raises(InputError, match="exclude one another"):
        check_paths({"a/b": b"", "a": b""})


# --- what is written -----------------------------------------------------------------------------------------------------------


def test_a_new_folder_holds_exactly_the_files(tmp_path: Path) -> None:
    plan = OutputFolder(tmp_path / "deep" / "out").write(FILES)
    assert content(tmp_path / "deep" / "out") == FILES
    assert set(plan.new) == {*FILES, ".mlops-nix-files.json"}
    assert os.listdir(tmp_path / "deep") == ["out"]


def test_unchanged_files_keep_their_time_and_only_changed_ones_are_written(tmp_path: Path) -> None:
    out = OutputFolder(tmp_path / "out")
    out.write(FILES)
    before = times(tmp_path / "out")
    assert out.write(FILES).is_current
    assert times(tmp_path / "out") == before
    plan = out.write({**FILES, "a.yaml": b"other\n"})
    assert plan.changed == ("a.yaml", ".mlops-nix-files.json")
    after = times(tmp_path / "out")
    assert {path for path in after if after[path] != before[path]} == {
        str(tmp_path / "out" / "a.yaml"),
        str(tmp_path / "out" / ".mlops-nix-files.json"),
    }


def test_a_file_that_left_the_set_is_deleted_with_its_empty_folder(tmp_path: Path) -> None:
    out = OutputFolder(tmp_path / "out")
    out.write(FILES)
    plan = out.write({"a.yaml": b"a\n"})
    assert plan.stale == ("dir/b.yaml", "dir/deep/c.yaml")
    assert not (tmp_path / "out" / "dir").exists()


def test_files_of_others_survive_everything(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    (folder / "dir").mkdir(parents=True)
    (folder / "dir" / "mine.txt").write_text("mine")
    (folder / "notes.md").write_text("notes")
    out = OutputFolder(folder)
    out.write(FILES)
    out.write({})
    assert content(folder) == {"dir/mine.txt": b"mine", "notes.md": b"notes"}


def test_a_foreign_file_in_the_way_is_named_and_nothing_changes_even_with_force(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "a.yaml").write_text("mine")
    with pytest.raises(InputError, match="not written by mlops-nix") as caught:
        OutputFolder(folder).write(FILES, force=True)
    assert caught.value.path == str(folder / "a.yaml")
    assert content(folder) == {"a.yaml": b"mine"}


def test_a_foreign_file_that_is_equal_already_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.yaml").write_bytes(b"a\n")
    OutputFolder(tmp_path / "out").write(FILES)
    assert content(tmp_path / "out") == FILES


def test_an_edited_file_is_an_error_and_force_overwrites_it(tmp_path: Path) -> None:
    out = OutputFolder(tmp_path / "out")
    out.write(FILES)
    (tmp_path / "out" / "a.yaml").write_text("edited")
    with pytest.raises(InputError, match=r"a\.yaml was edited") as caught:
        out.write({**FILES, "a.yaml": b"new\n"})
    assert "--force" in (caught.value.hint or "")
    assert (tmp_path / "out" / "a.yaml").read_text() == "edited"
    out.write({**FILES, "a.yaml": b"new\n"}, force=True)
    assert (tmp_path / "out" / "a.yaml").read_text() == "new\n"


def test_an_edited_file_that_left_the_set_is_not_deleted_without_force(tmp_path: Path) -> None:
    out = OutputFolder(tmp_path / "out")
    out.write(FILES)
    (tmp_path / "out" / "a.yaml").write_text("edited")
    with pytest.raises(InputError, match="edited by hand"):
        out.write({"dir/b.yaml": b"b\n"})
    assert (tmp_path / "out" / "a.yaml").exists()


# --- links and odd places ------------------------------------------------------------------------------------------------------


def test_a_link_out_of_the_folder_is_never_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "b.yaml").write_text("theirs")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "dir").symlink_to(outside)
    with pytest.raises(InputError, match="symbolic link"):
        OutputFolder(tmp_path / "out").write(FILES)
    assert content(outside) == {"b.yaml": b"theirs"}
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["dir"]


def test_a_written_file_that_became_a_link_is_neither_followed_nor_replaced(tmp_path: Path) -> None:
    out = OutputFolder(tmp_path / "out")
    out.write(FILES)
    (tmp_path / "secret").write_text("theirs")
    (tmp_path / "out" / "a.yaml").unlink()
    (tmp_path / "out" / "a.yaml").symlink_to(tmp_path / "secret")
    for wanted in ({**FILES, "a.yaml": b"new"}, FILES):
        with pytest.raises(InputError, match="is a symbolic link"):
            out.write(wanted, force=True)
    out.write({"dir/b.yaml": b"b\n"})  # no longer part of the set: left alone
    assert (tmp_path / "out" / "a.yaml").is_symlink()
    assert (tmp_path / "secret").read_text() == "theirs"


def test_a_folder_that_is_itself_a_link_is_the_users_choice(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "real")
    OutputFolder(tmp_path / "out").write(FILES)
    assert content(tmp_path / "real") == FILES


def test_a_file_where_the_folder_should_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(InputError, match="expected a folder, found a file"):
        OutputFolder(tmp_path / "out").write(FILES)


def test_a_list_that_was_tampered_with_deletes_nothing_outside(tmp_path: Path) -> None:
    out = OutputFolder(tmp_path / "out")
    out.write(FILES)
    victim = tmp_path / "victim"
    victim.write_bytes(b"a\n")
    listed = (tmp_path / "out" / ".mlops-nix-files.json").read_text()
    (tmp_path / "out" / ".mlops-nix-files.json").write_text(listed.replace('"a.yaml"', '"../victim"'))
    out.write({"dir/b.yaml": b"b\n"})
    assert victim.exists()


# --- when things break -----------------------------------------------------------------------------------------------------------


def test_a_full_disk_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = OutputFolder(tmp_path / "out")
    out.write(FILES)
    before = content(tmp_path / "out")
    fsync, calls = os.fsync, []

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    for place in (tmp_path / "out", tmp_path / "new"):
        calls.clear()
        with pytest.raises(InputError, match="no space left on device; nothing was changed") as caught:
            OutputFolder(place).write({name: value + b"2" for name, value in FILES.items()})
        assert "free some space" in (caught.value.hint or "")
    assert content(tmp_path / "out") == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def _as_nobody(work: object) -> int:
    """Run a function in a child that is not root (root may write everywhere); its exit code is what the function returns."""
    child = os.fork()
    if child == 0:
        code = 70
        try:
            if os.geteuid() == 0:
                os.setgid(65534)
                os.setuid(65534)
            code = work()  # type: ignore[operator]
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_read_only_folder_is_an_error_and_stays_as_it_is() -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        folder = Path(place, "out")
        os.chmod(place, 0o755)
        OutputFolder(folder).write(FILES)
        before = content(folder)
        for path in (folder, folder / "dir", folder / "dir" / "deep"):
            path.chmod(0o555)

        def work() -> int:
            try:
                OutputFolder(folder).write({"a.yaml": b"other"})
            except InputError as error:
                return 0 if "permission denied; nothing was changed" in str(error) else 1
            return 2

        assert _as_nobody(work) == 0
        assert content(folder) == before
        for path in (folder, folder / "dir", folder / "dir" / "deep"):
            path.chmod(0o755)


@pytest.mark.parametrize("step", range(1, 9))
def test_a_run_killed_at_any_rename_is_finished_by_the_next(tmp_path: Path, step: int) -> None:
    out = OutputFolder(tmp_path / "out")
    out.write(FILES)
    second = {"a.yaml": b"a2\n", "dir/b.yaml": b"b2\n", "e/f.yaml": b"f\n"}
    child = os.fork()
    if child == 0:
        seen = 0
        rename, unlink = Path.rename, Path.unlink

        def counted(self: Path, *args: object) -> object:
            nonlocal seen
            seen += 1
            if seen == step:
                os._exit(9)
            return rename(self, *args)  # type: ignore[arg-type]

        def counted_unlink(self: Path, missing_ok: bool = False) -> None:
            nonlocal seen
            seen += 1
            if seen == step:
                os._exit(9)
            unlink(self, missing_ok)

        Path.rename, Path.unlink = counted, counted_unlink  # type: ignore[method-assign,assignment]
        try:
            out.write(second)
        finally:
            os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code == (9 if step <= 7 else 0)
    # Every file is whole: old, new, or gone.
    for path, found in content(tmp_path / "out").items():
        if not path.startswith("."):
            assert found in {FILES.get(path), second.get(path)}
    third = {"a.yaml": b"a3\n", "e/f.yaml": b"f\n"}  # another set: what the killed run wrote still counts as ours
    OutputFolder(tmp_path / "out").write(third)
    assert content(tmp_path / "out") == third


def test_two_runs_do_not_write_one_folder_at_once(tmp_path: Path) -> None:
    out = OutputFolder(tmp_path / "out")
    out.write(FILES)
    holder = os.open(tmp_path / "out", os.O_RDONLY)
    try:
        fcntl.flock(holder, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="another run writes this folder"):
            out.write({})
    finally:
        os.close(holder)


def test_a_single_file_is_replaced_whole_and_kept_when_equal(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "a.svg"
    assert replace_file(file, b"1")
    before = file.stat().st_mtime_ns
    assert not replace_file(file, b"1")
    assert file.stat().st_mtime_ns == before
    assert replace_file(file, b"2")
    with pytest.raises(InputError, match="cannot be written"):
        replace_file(file / "below", b"3")
    assert os.listdir(tmp_path / "deep") == ["a.svg"]


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["a", "b", "d/a", "d/b", "d/e/a"]), st.sampled_from([b"1", b"2", b"3"]), max_size=5
        ),
        min_size=1,
        max_size=5,
    )
)
@settings(max_examples=40, deadline=None)
def test_after_any_sequence_of_sets_the_folder_holds_the_last_one(sequence: list[dict[str, bytes]]) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "out")
        for files in sequence:
            OutputFolder(folder).write(files)
        assert content(folder) == sequence[-1]
        assert OutputFolder(folder).plan(sequence[-1]).is_current

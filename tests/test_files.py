"""Files are replaced whole or not at all, wherever they lie and whatever they are called."""

import itertools
import os
import signal
import stat
import subprocess
import sys
import threading

import numpy as np
import pytest
import soundfile

import dgenlazy as dg
from dgenlazy import ArgumentError, Signal, audio, files

pytestmark = pytest.mark.skipif(os.name != "posix", reason="links, modes, FIFOs and locks as POSIX has them")
SOUND = np.float32([0.0, 0.25, -0.5])


def write_audio(path):
    audio.write(path, SOUND, 8000)


def write_program(path):
    pytest.importorskip("flatbuffers")
    dg.export(Signal.input(0) * 2, path, frames=4)


@pytest.fixture(params=[write_audio, write_program])
def write(request):
    """Each way to write a file; the ending goes with all."""
    return request.param


def content(write, folder):
    write(folder / "expected.wav")
    data = (folder / "expected.wav").read_bytes()
    os.remove(folder / "expected.wav")
    return data


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_mode_of_a_file_stays_and_a_new_one_has_what_the_umask_leaves(tmp_path, write):
    for mode in (0o600, 0o644, 0o664, 0o750):
        (tmp_path / "a.wav").touch()
        os.chmod(tmp_path / "a.wav", mode)
        write(tmp_path / "a.wav")
        assert stat.S_IMODE((tmp_path / "a.wav").stat().st_mode) == mode
        os.remove(tmp_path / "a.wav")
    before = os.umask(0o027)
    try:
        write(tmp_path / "b.wav")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "b.wav").stat().st_mode) == 0o640
    assert names(tmp_path) == ["b.wav"]


@pytest.mark.skipif(os.geteuid() != 0 if os.name == "posix" else True, reason="only root gives files away")
def test_the_owner_of_a_file_stays(tmp_path, write):
    (tmp_path / "a.wav").touch()
    os.chown(tmp_path / "a.wav", 12345, 54321)
    write(tmp_path / "a.wav")
    about = (tmp_path / "a.wav").stat()
    assert (about.st_uid, about.st_gid) == (12345, 54321)


def test_a_link_stays_and_the_file_that_it_leads_to_is_replaced_or_made(tmp_path, write):
    data = content(write, tmp_path)
    (tmp_path / "deep").mkdir()
    os.symlink("deep/a.wav", tmp_path / "link.wav")
    os.symlink("link.wav", tmp_path / "link to link.wav")
    for _ in range(2):  # at first it leads nowhere
        write(tmp_path / "link to link.wav")
        assert (tmp_path / "link.wav").is_symlink()
        assert (tmp_path / "link to link.wav").is_symlink()
        assert (tmp_path / "deep" / "a.wav").read_bytes() == data
    assert names(tmp_path / "deep") == ["a.wav"]


def test_a_fifo_is_written_to_and_stays(tmp_path, write):
    data, heard = content(write, tmp_path), []
    os.mkfifo(tmp_path / "fifo.wav")
    reader = threading.Thread(target=lambda: heard.append((tmp_path / "fifo.wav").read_bytes()))
    reader.start()
    write(tmp_path / "fifo.wav")
    reader.join()
    assert heard == [data]
    assert stat.S_ISFIFO((tmp_path / "fifo.wav").stat().st_mode)


def test_a_device_is_written_to_and_stays(tmp_path, write):
    for device in ("/dev/null", "/dev/zero"):
        before = os.stat(device)
        os.symlink(device, tmp_path / "device.wav")
        write(tmp_path / "device.wav")
        assert os.path.samestat(os.stat(device), before)
        assert os.stat(device).st_mode == before.st_mode
        os.remove(tmp_path / "device.wav")


def test_a_name_may_be_as_long_as_the_file_system_allows_and_in_any_encoding(tmp_path, write):
    for name in (
        "x" * 251 + ".wav",
        "\u00fc" * 125 + ".wav",
        "new\nline.wav",
        os.fsdecode(b"caf\xe9.wav"),
        ".hidden.wav",
        " .wav",
    ):
        write(tmp_path / name)
        assert names(tmp_path) == [name]
        os.remove(tmp_path / name)
    write(os.fsencode(tmp_path) + b"/caf\xe9.wav")
    assert names(tmp_path) == [os.fsdecode(b"caf\xe9.wav")]


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("a\0b.wav", "holds a NUL"),
        (b"a\0b.wav", "holds a NUL"),
        ("\ud800.wav", "characters that no file name can have"),
        (3.5, "3.5 is not a path"),
        (None, "None is not a path"),
        ("folder.wav", "is a folder"),
        ("link to folder.wav", "is a folder"),
        ("no/a.wav", "there is no folder .*no"),
        ("file/a.wav", "there is no folder .*file"),
        ("dangling/a.wav", "there is no folder"),
        ("x" * 300 + ".wav", "refuses to write there: File name too long"),
        ("loop.wav", "refuses to write there: Too many levels of symbolic links"),
        ("/proc/a.wav", "refuses to write there: "),
    ],
)
def test_what_cannot_be_written_to_is_an_argument_error_that_says_why(tmp_path, monkeypatch, write, path, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "file").touch()
    os.symlink("folder.wav", "link to folder.wav")
    os.symlink("nowhere", "dangling")
    os.symlink("loop.wav", "loop.wav")
    before = names(tmp_path)
    with pytest.raises(ArgumentError, match=says):
        write(path)
    assert names(tmp_path) == before


def test_a_disk_that_is_full_is_an_argument_error_and_the_old_file_stays(tmp_path, write, monkeypatch):
    write(tmp_path / "a.wav")
    before = (tmp_path / "a.wav").read_bytes()

    def full(file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(ArgumentError, match="No space left on device"):
        write(tmp_path / "a.wav")
    assert (tmp_path / "a.wav").read_bytes() == before
    assert names(tmp_path) == ["a.wav"]


@pytest.mark.skipif(os.geteuid() == 0 if os.name == "posix" else True, reason="root may write anywhere")
def test_a_file_or_a_folder_without_permission_is_an_argument_error(tmp_path, write):
    write(tmp_path / "a.wav")
    os.chmod(tmp_path / "a.wav", 0o400)
    with pytest.raises(ArgumentError, match="may not be written"):
        write(tmp_path / "a.wav")
    os.chmod(tmp_path, 0o500)
    with pytest.raises(ArgumentError, match="Permission denied"):
        write(tmp_path / "b.wav")
    os.chmod(tmp_path, 0o700)


KILLED = """
import os, signal, sys
from dgenlazy import files
name, moment, nth = sys.argv[1:]
call, calls = getattr(os, moment), []
def killed(*args, **kwargs):
    calls.append(args)
    if len(calls) > int(nth):
        os.kill(os.getpid(), signal.SIGKILL)
    return call(*args, **kwargs)
setattr(os, moment, killed)
files.replace("test", name, b"new" * 100_000)
"""


@pytest.mark.parametrize("moment", ["open", "chown", "chmod", "fsync", "replace"])
def test_a_writer_that_is_killed_leaves_the_old_file_or_the_new_one_and_the_next_write_tidies_up(tmp_path, moment):
    path, ended = tmp_path / "a.wav", False
    for nth in range(9):
        path.write_bytes(b"old")
        done = subprocess.run([sys.executable, "-c", KILLED, path, moment, str(nth)], timeout=60)
        ended = done.returncode == 0
        assert ended or done.returncode == -signal.SIGKILL
        assert path.read_bytes() in ((b"new" * 100_000,) if ended else (b"old", b"new" * 100_000))
        write_audio(tmp_path / "b.wav")
        assert names(tmp_path) == ["a.wav", "b.wav"]
        if ended:
            break
    assert ended
    assert nth > 0


def test_many_writers_of_one_file_do_not_disturb_each_other(tmp_path):
    contents = [bytes([i]) * 200_000 for i in range(8)]
    failed = []

    def writer(data):
        try:
            for _ in range(20):
                files.replace("test", str(tmp_path / "a"), data)
                assert (tmp_path / "a").read_bytes() in contents
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=writer, args=(data,)) for data in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert names(tmp_path) == ["a"]


def test_a_file_that_another_writer_replaces_meanwhile_is_not_written_into(tmp_path, monkeypatch):
    path, others = tmp_path / "a", iter([b"another" * 10] * 3)
    path.write_bytes(b"old")
    same = files._is

    def after_another(about, name):
        for other in itertools.islice(others, 1):
            (tmp_path / "b").write_bytes(other)
            os.replace(tmp_path / "b", path)
        return same(about, name)

    monkeypatch.setattr(files, "_is", after_another)
    files.replace("test", str(path), b"new")
    assert path.read_bytes() == b"new"


def test_a_write_that_goes_wrong_while_it_is_encoded_leaves_the_old_file(tmp_path, monkeypatch):
    write_audio(tmp_path / "a.wav")
    before = (tmp_path / "a.wav").read_bytes()

    def interrupted(file, *args, **kwargs):
        file.write(b"half of a header")
        raise KeyboardInterrupt

    monkeypatch.setattr(soundfile, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_audio(tmp_path / "a.wav")
    assert (tmp_path / "a.wav").read_bytes() == before
    assert names(tmp_path) == ["a.wav"]

"""How a file is replaced: whole, or not at all."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import stat
import sys
from collections.abc import Iterator, Mapping
from typing import IO, Any

from .errors import ArgumentError, FileError

_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)  # which only Windows has


def checked_path(name: str, path: Any) -> str:
    """`path` as a `str` that the file system takes, or an ArgumentError that names `name`."""
    try:
        given = os.fspath(path)
        encoded = os.fsencode(given)
    except TypeError:
        raise ArgumentError(f"{name}: {path!r} is not a path") from None
    except UnicodeEncodeError:
        raise ArgumentError(f"{name}: {path!r} holds characters that no file name can have here") from None
    if b"\0" in encoded:
        raise ArgumentError(f"{name}: {path!r} holds a NUL, which no file name can have")
    return os.fsdecode(given)


def shown(path: str) -> str:
    """`path` as text that can be printed: what is no UTF-8 is escaped."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def place(name: str, path: str) -> tuple[str, os.stat_result | None]:
    """Where a file is to be written, through links, and what is there already.

    Raises:
        ArgumentError: there is a folder there, or a file that must not be written, or its own folder is missing.
    """
    target = os.path.realpath(path)
    with _told(name):
        try:
            old = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            old = None
    if old and stat.S_ISDIR(old.st_mode):
        raise FileError(f"{name}: {shown(target)} is a folder")
    if old and not os.access(path, os.W_OK):
        raise FileError(f"{name}: {shown(target)} is there, and may not be written")
    if not old and not os.path.isdir(os.path.dirname(target)):
        raise FileError(f"{name}: there is no folder {shown(os.path.dirname(target))}")
    return target, old


def replace(name: str, path: str, data: Any) -> None:
    """Write `data`, bytes or a view of bytes, as the file at `path`. It is replaced whole, or on an error not touched.

    A link stays, and the file that it leads to is replaced; its owner and mode stay as well. What is no file on a disk, like
    a device or a FIFO, cannot be replaced, and is written to instead. A crash leaves the old file or the new one, and
    perhaps `.dgenlazy-0.part` beside it, which the next write into that folder removes.

    Raises:
        ArgumentError: as in `place`, or the system refuses, and what it says.
    """
    target, old = place(name, path)
    with _told(name):
        if old and not (stat.S_ISREG(old.st_mode) and _named(old, path, target)):
            with open(os.open(path, os.O_WRONLY), "wb") as special:
                special.write(data)
            return
        folder = os.path.dirname(target)
        unfinished, file = _unfinished(folder, private=old is not None)
        with file:
            try:
                file.write(data)
                file.flush()
                if old:
                    _like(old, unfinished)
                os.fsync(file.fileno())
                if os.name == "posix":  # while it is locked, or another writer could take it for one left by a crash
                    os.replace(unfinished, target)
            except BaseException:
                with contextlib.suppress(OSError):
                    if _is(os.fstat(file.fileno()), unfinished):  # not once it is renamed: the name is taken again
                        os.remove(unfinished)
                raise
        if os.name == "posix":
            _sync_folder(folder)
        else:  # where an open file can be neither renamed nor removed
            os.replace(unfinished, target)


def place_folder(name: str, path: str, mark: str) -> str:
    """Where a folder is to be written, through links.

    Args:
        mark: A file that a folder has which may be replaced.

    Raises:
        ArgumentError: there is a file, or a folder of other things, or its own folder is missing.
    """
    target = os.path.realpath(path)
    with _told(name):
        if os.path.isdir(target):
            if os.listdir(target) and not os.path.exists(os.path.join(target, mark)):
                raise FileError(f"{name}: {shown(target)} is a folder of other things: it has no {mark}")
        elif os.path.lexists(target):
            raise FileError(f"{name}: {shown(target)} is a file, not a folder")
        elif not os.path.isdir(os.path.dirname(target)):
            raise FileError(f"{name}: there is no folder {shown(os.path.dirname(target))}")
    return target


def replace_folder(name: str, path: str, contents: Mapping[str, bytes], mark: str) -> None:
    """Write a folder of files, by their names with `/` inside. It is replaced whole, or on an error not touched.

    A crash leaves the old folder or the new one, and perhaps `.dgenlazy-0.part` beside it, as in `replace`. Where a system
    cannot have two folders change places at once (Windows, some network disks), a crash in that moment can leave the old one
    under that name alone.

    Raises:
        ArgumentError: as in `place_folder`, or the system refuses, and what it says.
    """
    target = place_folder(name, path, mark)
    with _told(name):
        folder = os.path.dirname(target)
        unfinished, lock = _unfinished_folder(folder)
        try:
            for file, data in contents.items():
                within = os.path.join(unfinished, *file.split("/"))
                os.makedirs(os.path.dirname(within), exist_ok=True)
                with open(within, "wb") as written:
                    written.write(data)
                    written.flush()
                    os.fsync(written.fileno())
                _sync_folder(os.path.dirname(within))
            _sync_folder(unfinished)
            if os.path.isdir(target):
                _like(os.stat(target), unfinished)
                if not _exchanged(unfinished, target):
                    aside = f"{unfinished}.old"
                    os.rename(target, aside)
                    os.rename(unfinished, target)
                    shutil.rmtree(aside, ignore_errors=True)
            else:
                os.rename(unfinished, target)
            _sync_folder(folder)
        finally:  # what stands under that name is unfinished, or the old one
            shutil.rmtree(unfinished, ignore_errors=True)
            if lock is not None:
                os.close(lock)


def _unfinished_folder(folder: str) -> tuple[str, int | None]:
    """A new folder, and what locks it until it is closed."""
    for number in itertools.count():
        path = os.path.join(folder, f".dgenlazy-{number}.part")
        _remove_abandoned(path)
        try:
            os.mkdir(path)
        except FileExistsError:
            continue
        if os.name != "posix":
            return path, None
        with contextlib.suppress(FileNotFoundError):  # another writer removed it, in the moment before it was locked
            lock = os.open(path, os.O_RDONLY)
            _lock(lock, wait=True)
            if _is(os.fstat(lock), path):
                return path, lock
            os.close(lock)
    raise AssertionError


def _exchanged(one: str, other: str) -> bool:
    """Whether two names have changed places at once."""
    import ctypes

    names = os.fsencode(one), os.fsencode(other)
    try:
        libc = ctypes.CDLL(None)
        if sys.platform == "linux":  # AT_FDCWD, RENAME_EXCHANGE
            return libc.renameat2(-100, names[0], -100, names[1], ctypes.c_uint(2)) == 0
        return sys.platform == "darwin" and libc.renamex_np(*names, ctypes.c_uint(2)) == 0  # RENAME_SWAP
    except (OSError, TypeError, AttributeError):  # a system without it
        return False


@contextlib.contextmanager
def _told(name: str) -> Iterator[None]:
    """What the system refuses, as an ArgumentError."""
    try:
        yield
    except OSError as e:
        raise FileError(f"{name}: the system refuses to write there: {e.strerror or e}") from None


def _unfinished(folder: str, private: bool) -> tuple[str, IO[bytes]]:
    """A new file in `folder`, locked. Its name is short, so that the final one may have any length, and is taken again.

    The lock tells a file that is being written from one that a crash left: it ends with its process, however that ended.
    """
    for number in itertools.count():
        path = os.path.join(folder, f".dgenlazy-{number}.part")
        _remove_abandoned(path)
        try:
            file = open(os.open(path, _NEW, 0o600 if private else 0o666), "wb")
        except FileExistsError:
            continue
        _lock(file.fileno(), wait=True)
        if _is(os.fstat(file.fileno()), path):
            return path, file
        file.close()  # another writer removed it, in the moment before it was locked
    raise AssertionError


def _remove_abandoned(path: str) -> None:
    """Remove a file or a folder that nobody is writing any more."""
    if os.name != "posix":
        return
    try:
        way = os.O_RDONLY if os.path.isdir(path) else os.O_RDWR
        file = os.open(path, way | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:  # there is none, or it belongs to somebody else
        return
    try:
        if _lock(file, wait=False) and _is(os.fstat(file), path):
            if way == os.O_RDONLY:
                shutil.rmtree(path, ignore_errors=True)
            else:
                os.remove(path)
    finally:
        os.close(file)


def _lock(file: int, wait: bool) -> bool:
    """Lock a file until it is closed. Whether that worked: not where somebody else has it, or locks are not known."""
    if os.name != "posix":
        return False
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is(about: os.stat_result, path: str) -> bool:
    """Whether `path` is the name of the file that `about` is about."""
    try:
        return os.path.samestat(about, os.stat(path, follow_symlinks=False))
    except OSError:
        return False


def _named(old: os.stat_result, path: str, target: str) -> bool:
    """Whether a file can be replaced by its name: not where a link of /proc leads to a file that has none."""
    while not _is(old, target):
        try:
            now = os.stat(path)
        except OSError:
            return True
        if os.path.samestat(old, now):
            return False
        old = now  # another writer has replaced it
    return True


def _like(old: os.stat_result, path: str) -> None:
    """Give a new file the owner and the mode of the old one."""
    if os.name == "posix":
        with contextlib.suppress(PermissionError):  # the files of others cannot be given to them
            os.chown(path, old.st_uid, old.st_gid)
    os.chmod(path, stat.S_IMODE(old.st_mode))


def _sync_folder(folder: str) -> None:
    """Have the new name on disk as well; where a file system does not know that, it is as safe as it gets."""
    with contextlib.suppress(OSError):
        file = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)

"""Audio files decoded from one frame to another, and held to what they announce. Takes soundfile."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import InputError, ReadError, reading
from ..extras import imported
from . import container

BLOCK = 1 << 16  # frames that are decoded at once
ENDLESS = 2**62  # frames; libsndfile announces that many or more where it does not know
CUT_SHORT = re.compile(r"truncated|Data length \d+ should be")  # what libsndfile notes of formats that `container` knows not

# What samples are stored in one by one, or in blocks that the decoder finds to the frame. In all else it lands beside them.
SEEKABLE = re.compile("PCM_.*|FLOAT|DOUBLE|ULAW|ALAW")


def stretch(name: str, path: str, start: int, stop: int | None, size: int) -> Iterator[tuple[np.ndarray, int]]:
    """Frames `start` to `stop`, or to the end, in blocks `(frames, channels)`, each with the rate; at least one block."""
    soundfile = package("soundfile")
    at, made = 0, None  # frames that were passed, and what they are made of
    with _opened(name, path) as file:
        try:
            for stream in container.streams(name, file):
                begun = at
                with _decoder(soundfile, path if stream.file is file else stream) as sound:
                    if made not in (None, (sound.samplerate, sound.channels)):
                        raise InputError(f"{name}: its sample rate or number of channels changes after frame {at}")
                    made = sound.samplerate, sound.channels
                    announced = sound.frames if stream.frames is None else stream.frames
                    if CUT_SHORT.search(sound.extra_info):
                        raise InputError(f"{name}: the file is damaged: it is cut off after frame {sound.frames}")
                    if SEEKABLE.fullmatch(sound.subtype) and 0 < start < announced < ENDLESS:
                        at = sound.seek(start)
                    while stop is None or at < stop:
                        block = sound.read(size if stop is None else min(size, stop - at), dtype="float32", always_2d=True)
                        if not len(block):
                            break
                        wanted = block[max(start - at, 0) :]
                        if not np.isfinite(wanted).all():
                            frame = max(at, start) + np.argmin(np.isfinite(wanted).all(axis=1))
                            raise InputError(f"{name}: frame {frame} is not a finite number")
                        at += len(block)
                        if len(wanted):
                            yield wanted, sound.samplerate
                    else:
                        return
                if at - begun < announced < ENDLESS:
                    raise InputError(
                        f"{name}: the file is damaged: it announces {announced} frames and ends after {at - begun}"
                    )
        except soundfile.SoundFileError as e:
            what = f"damaged after frame {at}" if at else "not an audio file that can be read"
            raise InputError(f"{name}: {what}: {fact(e)}") from None
    if not at:
        raise InputError(f"{name}: the file holds no samples")
    if start >= at or stop is not None:
        raise InputError(f"{name}: frames {start} to {stop or 'the end'} were asked for, the file has {at}")


@contextlib.contextmanager
def _opened(name: str, path: str) -> Iterator[Any]:
    with reading(name):
        about = os.stat(path)
        if stat.S_ISDIR(about.st_mode):
            raise ReadError(f"{name}: this is a folder, not a file")
        if not stat.S_ISREG(about.st_mode):
            raise ReadError(f"{name}: this is a device or a FIFO, not a file")
        if not about.st_size:
            raise InputError(f"{name}: the file is empty")
        file = open(path, "rb")
    with file:
        yield file


@contextlib.contextmanager
def _decoder(soundfile: Any, source: str | container.Stream) -> Iterator[Any]:
    """A decoder that goes forward, and seeks only when it is told to."""

    class Forward(soundfile.SoundFile):
        # soundfile asks this after each block, to seek to where the decoder is already: in MP3 that is another place.
        def seekable(self) -> bool:
            return False

    if isinstance(source, str):
        with Forward(os.fsencode(source) if os.name == "posix" else source) as sound:  # bytes: a name may be no UTF-8
            yield sound
    elif not source.endless:
        source.file.seek(0)
        with Forward(source.file) as sound:
            yield sound
    else:
        with _piped(source.file.read()) as end, Forward(end, closefd=False) as sound:
            yield sound


@contextlib.contextmanager
def _piped(data: bytes) -> Iterator[int]:
    """The end of a pipe from which `data` comes."""
    end, begin = os.pipe()

    def feed() -> None:
        with contextlib.suppress(BrokenPipeError), open(begin, "wb") as file:
            file.write(data)

    thread = threading.Thread(target=feed, daemon=True)
    thread.start()
    try:
        yield end
    finally:
        os.close(end)
        thread.join()


def fact(error: Any) -> str:
    return str(getattr(error, "error_string", error))


def package(name: str) -> Any:
    return imported(name, "audio", "audio")

"""What the containers of audio files say of their length, and whether so much is there. No sound is decoded here.

A decoder believes what a header says: it reads a file that was cut off as a shorter one, and stops before the end where a
header is wrong, or was written before the length was known. So headers are read here first.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator
from typing import IO, Any, NamedTuple

from ..errors import InputError
from . import mpeg


class Stream(NamedTuple):
    """What a decoder is to read, with lengths put right.

    Attributes:
        file: Where it is; the audio file itself, if that is right.
        frames: How many are announced, where the decoder does not say it.
        endless: The decoder must not look for the end, or it would guess a length, and stop there.
    """

    file: Any
    frames: int | None = None
    endless: bool = False


def streams(name: str, file: IO[bytes]) -> list[Stream]:
    """The streams in an audio file, one after another: more than one in chained OGG only.

    Raises:
        InputError: the file ends before what it announces.
    """
    start = mpeg.after_tags(file)
    magic = bytes_at(file, start, 40)
    if magic.startswith(b"OggS"):
        return _ogg(name, file)
    if magic.startswith(b"fLaC"):
        return [_flac(file, start)]
    if magic.startswith((b".snd", b"dns.")):
        return [_au(name, file, ">" if magic.startswith(b".snd") else "<")]
    if magic.startswith(b"NIST_1A"):
        _check_nist(name, file)
    for layout in LAYOUTS:
        if re.match(layout.magic, magic, re.DOTALL):
            return [_chunked(name, file, layout)]
    if mpeg.frame_size(magic):
        return [_mpeg(name, file, start)]
    return [Stream(file)]


def bytes_at(file: IO[bytes], at: int, count: int) -> bytes:
    file.seek(at)
    return file.read(count)


def _length(file: IO[bytes]) -> int:
    return file.seek(0, io.SEEK_END)


def _demand(name: str, file: IO[bytes], start: int, size: int) -> None:
    """Raise an InputError if the file ends before `size` bytes from `start` on."""
    there = max(0, _length(file) - start)
    if there < size:
        raise InputError(f"{name}: the file is damaged: it announces {size} bytes of samples and ends after {there}")


class _Patched(io.RawIOBase):
    """A file in which some bytes are others, for reading."""

    def __init__(self, file: IO[bytes], patches: dict[int, bytes]):
        self.file, self.patches = file, patches
        file.seek(0)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        return self.file.tell()

    def readinto(self, buffer: Any) -> int:
        begin, view = self.file.tell(), memoryview(buffer).cast("B")
        read = self.file.read(len(view))
        view[: len(read)] = read
        for at, new in self.patches.items():
            low, high = max(at, begin), min(at + len(new), begin + len(read))
            if low < high:
                view[low - begin : high - begin] = new[low - at : high - at]
        return len(read)


# Chunks: a name, a size, and so many bytes.


class Layout(NamedTuple):
    """How a container lays out its chunks."""

    magic: bytes  # a pattern of how it begins
    start: int  # of the first chunk
    named: int  # bytes of a chunk's name
    size: str  # format of its size
    samples: bytes  # a pattern of the names of chunks that samples take
    padding: int  # chunks begin at multiples of so many bytes
    counts_itself: bool = False  # whether a size is also that of the name and of the size


W64_DATA = rb"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"
LAYOUTS = (
    Layout(rb"(RIFF|RF64|BW64)....WAVE", 12, 4, "<I", b"data", 2),
    Layout(rb"RIFX....WAVE", 12, 4, ">I", b"data", 2),
    Layout(rb"FORM....(AIFF|AIFC|8SVX|16SV)", 12, 4, ">I", b"SSND|BODY", 2),
    Layout(rb"riff\x2e\x91\xcf\x11", 40, 16, "<q", W64_DATA, 8, counts_itself=True),
    Layout(rb"caff", 8, 4, ">q", b"data|pakt", 1),
    Layout(rb"MATLAB 5.0", 128, 4, "<I", rb"\x0e\0\0\0", 8),
)


class Chunk(NamedTuple):
    name: bytes
    size_at: int
    size: int  # of its content, in bytes
    start: int  # of its content
    unknown: bool  # a size that stands for "not known yet", of a writer that could not go back


def _chunks(file: IO[bytes], layout: Layout, at: int) -> Iterator[Chunk]:
    """The chunks from `at` on; the last one may be longer than the file is."""
    width, length = struct.calcsize(layout.size), _length(file)
    long_at = None
    while at + layout.named + width <= length:
        name = bytes_at(file, at, layout.named)
        size_at, start = at + layout.named, at + layout.named + width
        (size,) = struct.unpack(layout.size, bytes_at(file, size_at, width))
        if not any(name):  # padding, perhaps gigabytes of it
            return
        if name == b"ds64" and start + 16 <= length:  # sizes beyond 32 bits
            long_at = start + 8
        if name == b"data" and size == 2**32 - 1 and long_at:
            size_at = long_at
            (size,) = struct.unpack("<q", bytes_at(file, long_at, 8))
            unknown = not 0 < size < 2**62
        elif width == 4:  # programs write 0, or the most that they could, rounded
            unknown = size == 0 or size >= 2**32 - 2**12 or 2**31 - 2**12 <= size <= 2**31
        else:
            unknown = not 0 < size < 2**62
        if layout.counts_itself and not unknown:
            size = max(0, size - layout.named - width)
        yield Chunk(name, size_at, size, start, unknown)
        at = start + max(0, size)
        at += -at % layout.padding


def _chunked(name: str, file: IO[bytes], layout: Layout) -> Stream:
    for chunk in _chunks(file, layout, layout.start):
        if not re.fullmatch(layout.samples, chunk.name, re.DOTALL):
            continue
        if not chunk.unknown:
            _demand(name, file, chunk.start, chunk.size)
        elif chunk.size or not _is_whole(file, layout, chunk.start):
            there = _length(file) - chunk.start
            if layout.counts_itself:
                there += chunk.start - chunk.size_at + layout.named
            width = 4 if chunk.start - chunk.size_at == 4 else 8
            order = "big" if layout.size.startswith(">") else "little"
            new = min(there, 2 ** (8 * width) - 1).to_bytes(width, order)
            return Stream(_Patched(file, {chunk.size_at: new}))
    return Stream(file)


def _is_whole(file: IO[bytes], layout: Layout, at: int) -> bool:
    """Whether whole chunks, and nothing else, follow from `at` on: then a chunk of size 0 before them is empty indeed."""
    length = _length(file)
    for chunk in _chunks(file, layout, at):
        if not re.fullmatch(rb"[ -~]{4}", chunk.name):
            return False
        at = chunk.start + chunk.size + chunk.size % 2
    return length <= at <= length + 1


def _au(name: str, file: IO[bytes], order: str) -> Stream:
    header = bytes_at(file, 0, 12)
    if len(header) < 12:
        return Stream(file)
    start, size = struct.unpack(f"{order}II", header[4:])
    if 0 < size < 2**31 - 2**12:
        _demand(name, file, start, size)
        return Stream(file)
    return Stream(_Patched(file, {8: b"\xff" * 4}))  # which stands for "not known yet"


def _check_nist(name: str, file: IO[bytes]) -> None:
    header = bytes_at(file, 0, 1024)
    fields = dict(re.findall(rb"^(sample_count|channel_count|sample_n_bytes) -i (\d+)", header, re.MULTILINE))
    start = re.match(rb"NIST_1A\s+(\d+)", header)
    if start and b"sample_count" in fields:
        width = int(fields.get(b"sample_n_bytes", 1)) * int(fields.get(b"channel_count", 1))
        _demand(name, file, int(start[1]), int(fields[b"sample_count"]) * width)


# Compressed formats.


def _flac(file: IO[bytes], start: int) -> Stream:
    """FLAC whose total number of frames is 0, which stands for unknown, so that the decoder goes on to the end."""
    facts = bytes_at(file, start + 18, 8)  # 28 bits of other things, and the total
    if len(facts) < 8:
        return Stream(file)
    value = int.from_bytes(facts, "big")
    total = value & (2**36 - 1)
    return Stream(_Patched(file, {start + 18: (value - total).to_bytes(8, "big")}), frames=total)


def _ogg(name: str, file: IO[bytes]) -> list[Stream]:
    """The links of a chain, each of which is a file of its own: decoders stop after the first."""
    data = bytes_at(file, 0, -1)
    starts, living, at, first = [], set[bytes](), 0, False
    while (at := data.find(b"OggS", at)) >= 0:
        body = at + 27 + data[at + 26] if at + 27 <= len(data) else len(data) + 1
        end = body + sum(data[at + 27 : body])
        if end > len(data):
            living.add(b"cut")
            break
        flags, serial = data[at + 5], data[at + 14 : at + 18]
        if flags & 2:  # the first page of a stream
            if not first:
                if living:
                    break
                starts.append(at)
            living.add(serial)
        first = bool(flags & 2)
        if flags & 4:  # the last page
            living.discard(serial)
        at = end
    if living:
        raise InputError(f"{name}: the file is damaged: a stream in it is cut off before its last page")
    if len(starts) < 2:
        return [Stream(file)]
    return [Stream(io.BytesIO(data[a:b])) for a, b in zip(starts, [*starts[1:], len(data)])]


def _mpeg(name: str, file: IO[bytes], start: int) -> Stream:
    found = mpeg.scan(bytes_at(file, start, -1))
    if found is None:
        return Stream(file)
    if found.cut:
        raise InputError(f"{name}: the file is damaged: it is cut off within a frame of MPEG audio")
    if found.announced is None:
        return Stream(io.BytesIO(found.data), endless=True)
    if found.announced < found.frames:
        return Stream(io.BytesIO(found.data))
    return Stream(file)

"""The frames of MPEG audio (MP3), counted by their headers: nothing else in such a file is sure to say how long it is."""

from __future__ import annotations

import re
from typing import IO, NamedTuple

MASK = 0xFFFE0C00  # of a header: what is the same in each frame of a stream: sync, version, layer and sample rate
# In kbit/s, for layers I, II and III of version 1, and for layer I, and II and III, of versions 2 and 2.5.
_BITRATES = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = (44100, 48000, 32000)  # Hz, of version 1; half of that of version 2, a quarter of version 2.5


def after_tags(file: IO[bytes]) -> int:
    """Where a file begins after its ID3v2 tags."""
    at = 0
    while True:
        file.seek(at)
        head = file.read(10)
        if len(head) < 10 or not head.startswith(b"ID3") or max(head[6:]) > 127:
            return at
        size = sum(byte << 7 * (3 - i) for i, byte in enumerate(head[6:]))
        at += 10 + size + (10 if head[5] & 16 else 0)


def frame_size(header: bytes) -> int:
    """The bytes of the frame that begins with these; 0 where they are no header, or of a frame that does not say it."""
    word = int.from_bytes(header[:4], "big")
    version, layer = (2.5, None, 2, 1)[word >> 19 & 3], (None, 3, 2, 1)[word >> 17 & 3]
    bitrate, rate = word >> 12 & 15, word >> 10 & 3
    if len(header) < 4 or word >> 21 != 2047 or version is None or layer is None or bitrate in (0, 15) or rate == 3:
        return 0
    bits = 1000 * _BITRATES[min(int(version), 2), layer][bitrate - 1]
    hz = _RATES[rate] // {1: 1, 2: 2, 2.5: 4}[version]
    padding = word >> 9 & 1
    if layer == 1:
        return 4 * (12 * bits // hz + padding)
    return (72 if layer == 3 and version != 1 else 144) * bits // hz + padding


class Found(NamedTuple):
    """What is in a file of MPEG audio.

    Attributes:
        frames: How many hold sound.
        announced: Frames that a tag in the first one announces, or None.
        cut: The last frame is not all there.
        data: The file, in which the tag announces `frames` frames.
    """

    frames: int
    announced: int | None
    cut: bool
    data: bytes


def scan(data: bytes) -> Found | None:
    """Count the frames; None where this is no stream of frames that say how long they are."""
    first = frame_size(data[:4])
    if not first or (len(data) > first + 4 and not _follows(data, 0, first)):
        return None
    kind, at, count, cut = int.from_bytes(data[:4], "big") & MASK, 0, 0, False
    while at + 4 <= len(data):
        size = frame_size(data[at : at + 4]) if int.from_bytes(data[at : at + 4], "big") & MASK == kind else 0
        if size:
            cut = at + size > len(data)
            count, at = count + (not cut), at + size
        else:  # a tag, or bytes that got lost: on to where frames go on
            at = _resumed(data, at + 1, kind)
    tag = _tag(data, first)
    if tag is None:
        return Found(count, None, cut, data)
    announced = int.from_bytes(data[tag : tag + 4], "big")
    count -= 1  # the one that holds the tag
    return Found(count, announced, cut, data[:tag] + count.to_bytes(4, "big") + data[tag + 4 :])


def _follows(data: bytes, at: int, size: int) -> bool:
    """Whether a frame of the same kind follows the one at `at`."""
    here, there = (int.from_bytes(data[i : i + 4], "big") for i in (at, at + size))
    return frame_size(data[at + size : at + size + 4]) > 0 and here & MASK == there & MASK


def _resumed(data: bytes, at: int, kind: int) -> int:
    """Where the next two frames in a row begin; the end where there are none."""
    while (at := data.find(b"\xff", at)) >= 0:
        size = frame_size(data[at : at + 4])
        if size and int.from_bytes(data[at : at + 4], "big") & MASK == kind and _follows(data, at, size):
            return at
        at += 1
    return len(data)


def _tag(data: bytes, size: int) -> int | None:
    """Where in the first frame the number of frames stands: in a tag Xing, Info or VBRI, after zeros."""
    found = re.match(rb".{4}\0{9,32}(Xing|Info)...[\x01\x03\x05\x07\x09\x0b\x0d\x0f]", data[:size], re.DOTALL)
    if found:
        return found.end()
    found = re.match(rb".{4}\0{32}VBRI.{10}", data[:size], re.DOTALL)
    return found.end() if found else None

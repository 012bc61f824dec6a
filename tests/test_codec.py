"""Audio files as they come: what is there is read, any part as that part of the whole, and what was cut off is said."""

import io
import os
import re
import struct

import numpy as np
import pytest
import soundfile

from dgenlazy import InputError, audio

RATE, FRAMES = 22050, 30_001


@pytest.fixture(scope="module")
def sound():
    """Loud and quiet stretches, so that frames of variable bitrate differ in size."""
    n = np.arange(FRAMES)
    hiss = 0.4 * np.random.default_rng(0).standard_normal(FRAMES) * (n // 4000 % 2)
    return (0.3 * np.sin(2 * np.pi * 440 * n / RATE) + hiss).clip(-0.9, 0.9).astype(np.float32)


def encoded(samples, kind, subtype=None, rate=RATE, **options):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, subtype, format=kind, **options)
    return bytearray(file.getvalue())


def decoded(path, data, **span):
    path.write_bytes(data)
    return audio.read(path, **span)[0]


def first_frame(data):
    """The size in bytes of the first frame of an MP3 file, which holds what its encoder knows of the whole."""
    kbps = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)[data[2] >> 4]
    return 72000 * kbps // RATE + (data[2] >> 1 & 1)


MP3 = {mode: {"bitrate_mode": mode, "compression_level": 0.5} for mode in ("CONSTANT", "AVERAGE", "VARIABLE")}


# Parts.


@pytest.mark.parametrize(
    ("kind", "subtype", "options"),
    [
        *(("MP3", None, options) for options in MP3.values()),
        ("OGG", "VORBIS", {}),
        ("OGG", "OPUS", {"rate": 24000}),
        ("FLAC", "PCM_24", {}),
        ("CAF", "ALAC_16", {}),
        ("WAV", "MS_ADPCM", {}),
        ("WAV", "IMA_ADPCM", {}),
        ("WAV", "GSM610", {}),
        ("WAV", "FLOAT", {}),
        ("AU", "G721_32", {}),
        ("AIFF", "PCM_24", {}),
        ("XI", "DPCM_16", {}),
    ],
)
def test_a_part_of_a_file_is_that_part_of_the_whole(tmp_path, sound, kind, subtype, options):
    whole = decoded(tmp_path / "x", encoded(sound, kind, subtype, **options))
    n = len(whole)
    assert n >= FRAMES
    for i in range(16):
        part, _ = audio.read(tmp_path / "x", start=i * n // 16, frames=n // 16)
        np.testing.assert_array_equal(part, whole[i * n // 16 :][: n // 16])
    np.testing.assert_array_equal(audio.read(tmp_path / "x", start=n - 1)[0], whole[-1:])
    for wrong in ({"start": n}, {"start": n - 1, "frames": 2}):
        with pytest.raises(InputError, match=f"the file has {n}"):
            audio.read(tmp_path / "x", **wrong)


@pytest.mark.parametrize("kind", ["MP3", "OGG", "FLAC", "WAV"])
def test_blocks_in_a_row_are_the_whole(tmp_path, sound, kind):
    whole = decoded(tmp_path / "x", encoded(np.stack([sound, -sound], axis=1), kind), mono=False)
    blocks, rate = audio.blocks(tmp_path / "x", 1000)
    blocks = list(blocks)
    assert rate == RATE
    assert {len(block) for block in blocks[:-1]} == {1000}
    np.testing.assert_array_equal(np.concatenate(blocks), whole)


# Lengths that headers do not know, or have wrong.


@pytest.mark.parametrize("mode", MP3)
def test_mp3_is_read_to_its_end_without_a_tag_that_tells_its_length(tmp_path, sound, mode):
    data = encoded(sound, "MP3", **MP3[mode])
    whole = decoded(tmp_path / "tagged.mp3", data)
    tagless = decoded(tmp_path / "tagless.mp3", data[first_frame(data) :])
    assert len(tagless) % 576 == 0  # whole frames, with the silence that an encoder begins with
    delay = 1105
    assert len(tagless) - len(whole) >= delay
    np.testing.assert_array_equal(tagless[delay:][: len(whole)], whole)
    part, _ = audio.read(tmp_path / "tagless.mp3", start=len(tagless) - 700)
    np.testing.assert_array_equal(part, tagless[-700:])


@pytest.mark.parametrize("tags", [(b"", b"TAG" + bytes(125)), (b"ID3\x04\0\0\0\0\x02\0" + bytes(256), b"")])
def test_an_intact_mp3_may_have_tags_before_and_after_its_sound(tmp_path, sound, tags):
    data = encoded(sound, "MP3", **MP3["CONSTANT"])
    for part in (data, data[first_frame(data) :]):
        plain = decoded(tmp_path / "plain.mp3", part)
        np.testing.assert_array_equal(decoded(tmp_path / "tags.mp3", tags[0] + part + tags[1]), plain)


def test_mp3_with_more_frames_than_its_tag_tells_is_read_to_its_end(tmp_path, sound):
    data = encoded(sound, "MP3", **MP3["VARIABLE"])
    whole = decoded(tmp_path / "x.mp3", data)
    at = data.find(b"Xing") + 8
    told = int.from_bytes(data[at : at + 4], "big")
    data[at : at + 4] = (told // 3).to_bytes(4, "big")
    np.testing.assert_array_equal(decoded(tmp_path / "x.mp3", data), whole)
    twice = decoded(tmp_path / "x.mp3", encoded(sound, "MP3", **MP3["VARIABLE"]) + data)
    assert len(twice) >= 2 * len(whole)


@pytest.mark.parametrize("told", [0, 100])
def test_flac_is_read_to_its_end_whatever_total_it_tells(tmp_path, sound, told):
    data = encoded(sound, "FLAC")
    whole = decoded(tmp_path / "x.flac", data)
    facts = int.from_bytes(data[18:26], "big")
    data[18:26] = (facts - facts % 2**36 + told).to_bytes(8, "big")
    np.testing.assert_array_equal(decoded(tmp_path / "x.flac", data), whole)
    for start in (50, 20_000):
        np.testing.assert_array_equal(audio.read(tmp_path / "x.flac", start=start, frames=100)[0], whole[start:][:100])
    with pytest.raises(InputError, match=r"frames 30001 to the end were asked for, the file has 30001"):
        audio.read(tmp_path / "x.flac", start=FRAMES)
    data[18:26] = (facts - facts % 2**36 + 2**35).to_bytes(8, "big")
    with pytest.raises(InputError, match=f"damaged: it announces {2**35} frames and ends after {FRAMES}"):
        decoded(tmp_path / "x.flac", data)


def test_chained_ogg_is_read_to_the_end_of_its_last_link(tmp_path, sound):
    for subtype, rate in (("VORBIS", RATE), ("OPUS", 24000)):
        link = encoded(sound, "OGG", subtype, rate=rate)
        whole = decoded(tmp_path / "x.ogg", link)
        chained = decoded(tmp_path / "x.ogg", 3 * link)
        np.testing.assert_array_equal(chained, np.tile(whole, 3))
        np.testing.assert_array_equal(audio.read(tmp_path / "x.ogg", start=len(whole) + 7)[0], chained[len(whole) + 7 :])
    with pytest.raises(InputError, match="changes after frame"):
        decoded(tmp_path / "x.ogg", encoded(sound, "OGG") + encoded(sound, "OGG", rate=44100))


CHUNKS = [  # a format, the name of its chunk of samples, and how its size is written there
    ("WAV", b"data", "<I"),
    ("WAVEX", b"data", "<I"),
    ("AIFF", b"SSND", ">I"),
    ("W64", b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a", "<q"),
    ("CAF", b"data", ">q"),
    ("AU", b"", ">I"),
]


@pytest.mark.parametrize(("kind", "chunk", "size"), CHUNKS)
@pytest.mark.parametrize("channels", [1, 2])
def test_a_stream_whose_length_was_not_known_is_read_to_its_end(tmp_path, sound, kind, chunk, size, channels):
    data = encoded(sound[:4000].reshape(-1, channels), kind, "FLOAT")
    at = data.find(chunk) + len(chunk) if chunk else 8
    for unknown in (0, 2**32 - 1, 2**31 - 2**12) if size.endswith("I") else (0, -1):
        data[at : at + struct.calcsize(size)] = struct.pack(size, unknown)
        got = decoded(tmp_path / "x", data, mono=False)
        np.testing.assert_array_equal(got, sound[:4000].reshape(-1, channels))
        np.testing.assert_array_equal(audio.read(tmp_path / "x", mono=False, start=1500)[0], got[1500:])


def test_rf64_whose_length_was_not_known_is_read_to_its_end(tmp_path, sound):
    data = encoded(sound, "RF64", "FLOAT")
    at = data.find(b"ds64") + 8
    for unknown in (0, -1):
        data[at : at + 24] = struct.pack("<q", unknown) * 3
        np.testing.assert_array_equal(decoded(tmp_path / "x.wav", data), sound)


def test_an_empty_chunk_of_samples_before_others_is_empty(tmp_path, sound):
    data = encoded(sound, "WAV")[:40] + bytes(4)
    for after in (b"", b"LIST\x0a\0\0\0INFOabcdef"):
        with pytest.raises(InputError, match="holds no samples"):
            decoded(tmp_path / "x.wav", data + after)


# Files that were cut off.

TELL_NO_LENGTH = {"PAF", "PVF", "IRCAM"} | {"AVR", "MPC2K", "SDS", "XI"}  # the latter do, where nobody looks
BY_PATH_ONLY = {"RAW", "SD2"}  # no file of these is known by its content alone
KINDS = [
    (kind, subtype)
    for kind in soundfile.available_formats()
    for subtype in soundfile.available_subtypes(kind)
    if kind not in TELL_NO_LENGTH | BY_PATH_ONLY
]


@pytest.mark.parametrize(("kind", "subtype"), KINDS)
def test_a_file_cut_anywhere_is_an_error_and_no_shorter_file(tmp_path, sound, kind, subtype):
    try:
        data = encoded(sound, kind, subtype, rate=8000 if subtype == "OPUS" else RATE)
        whole = decoded(tmp_path / "x", data)
    except (soundfile.LibsndfileError, InputError):
        pytest.skip("libsndfile does not write this, or does not read what it wrote")
    for part in (len(data) // 10, len(data) // 2, len(data) * 9 // 10, len(data) - 5, len(data) - 1):
        try:
            got = decoded(tmp_path / "x", data[:part])
        except InputError:
            continue
        assert len(got) == len(whole)  # what was cut off is no sound, but padding, or a title
        np.testing.assert_array_equal(got, whole)


@pytest.mark.parametrize("kind", ["WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "CAF", "SVX", "NIST"])
def test_every_cut_of_a_small_file_is_an_input_error_that_names_it(tmp_path, sound, kind):
    data = encoded(sound[:50], kind, "PCM_16")
    for part in range(len(data)):
        with pytest.raises(InputError, match=r"audio\.read: .*x: "):
            decoded(tmp_path / "x", data[:part])


def test_a_cut_file_says_what_it_announces_and_what_is_there(tmp_path, sound):
    for kind in ("WAV", "RF64", "W64", "AIFF", "AU"):
        data = encoded(sound[:1000], kind, "PCM_16")
        with pytest.raises(InputError, match=r"damaged: it announces 20\d\d bytes of samples and ends after 15\d\d"):
            decoded(tmp_path / "x", data[:-500])
    for part in (8000, 5000):
        with pytest.raises(InputError, match="damaged: a stream in it is cut off before its last page"):
            decoded(tmp_path / "x.ogg", encoded(sound, "OGG")[:part])
    data = encoded(sound, "MP3", **MP3["VARIABLE"])
    with pytest.raises(InputError, match=r"damaged: it (announces|is cut off)"):
        decoded(tmp_path / "x.mp3", data[: len(data) // 2])
    with pytest.raises(InputError, match="damaged: it is cut off within a frame"):
        decoded(tmp_path / "x.mp3", data[first_frame(data) : len(data) // 2])


def test_odd_sizes_padding_and_chunks_after_the_samples_are_no_damage(tmp_path, sound):
    data = encoded(sound[:101], "WAV", "PCM_U8")
    at = data.find(b"data") + 8
    padded = data[: at + 101]
    for after in (b"", b"\0", b"\0LIST\x0a\0\0\0INFOabcdef", b"\0LIST\xff\0\0\0INFO", b"\0" * 1000):
        np.testing.assert_array_equal(decoded(tmp_path / "x.wav", padded + after), decoded(tmp_path / "y.wav", data))
    before = data[:36] + b"LIST\x05\0\0\0INFO!\0" + data[36:]
    assert len(decoded(tmp_path / "x.wav", before)) == 101


# Names, and what is no audio file.


def test_a_file_name_may_be_no_utf8(tmp_path, sound):
    for name in (b"caf\xe9.wav", b"caf\xe9.flac"):
        path = os.path.join(os.fsencode(tmp_path), name)
        audio.write(path, sound, RATE)
        for same in (path, os.fsdecode(path)):
            assert len(audio.read(same)[0]) == FRAMES
    os.truncate(path, 1000)
    with pytest.raises(InputError, match=re.escape(r"caf\xe9.flac: ")) as error:
        audio.read(path)
    str(error.value).encode()  # can be printed


def test_what_is_no_file_of_sound_is_an_input_error(tmp_path):
    os.mkfifo(tmp_path / "fifo.wav")
    os.symlink(tmp_path / "loop.wav", tmp_path / "loop.wav")
    (tmp_path / "file").write_bytes(b"")
    for path, says in {
        tmp_path / "fifo.wav": "a device or a FIFO",
        "/dev/null": "a device or a FIFO",
        tmp_path / "loop.wav": "the system does not let it be read: Too many levels",
        tmp_path / "file" / "x.wav": "there is no such file",
        tmp_path / ("x" * 300): "the system does not let it be read: File name too long",
    }.items():
        with pytest.raises(InputError, match=says):
            audio.read(path)
    random = np.random.default_rng(0)
    heads = [b"RIFF\0\0\0\0WAVE", b"FORM\0\0\0\0AIFF", b"caff\0\1\0\0", b"OggS", b"fLaC", b".snd", b"ID3", b"NIST_1A"]
    heads += [b"\xff\xfb\x90\0", b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\0\0", b"MATLAB 5.0"]
    for head in heads:
        for n in (0, 1, 5, 40, 200, 3000):
            (tmp_path / "junk").write_bytes(head + random.bytes(n))
            with pytest.raises(InputError, match="junk: "):
                audio.read(tmp_path / "junk")

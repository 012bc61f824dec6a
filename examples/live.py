"""Play an instrument live: a drone whose filter is swept, and plucked strings, streamed block by block to the sound card.

    python examples/live.py                          20 seconds; Ctrl-C stops earlier
    python examples/live.py --block 64 --seconds 60
    python examples/live.py --out live.wav           into a file instead

Blocks are played by `dg.compile`, in C, where there is a compiler (the extra `native` brings one), else by XLA. It takes the
extra `live` (sounddevice). Where that, its PortAudio library or an output device is missing, it says so and writes the same
performance to output/live.wav (extra `audio`).

A thread computes blocks ahead into a queue, and the sound card's callback takes them out: nothing is computed in the callback,
which must never wait. A callback that finds the queue empty plays silence: an underrun. At the end they are reported, with the
time that blocks took; with underruns, take a larger `--block`, or more of them `--ahead`.
"""

import argparse
import contextvars
import functools as ft
import itertools
import queue
import sys
import threading
import time
from pathlib import Path

import numpy as np
import workbench

import dgenlazy as dg
from dgenlazy import DGen, Signal, Tensor, audio

RATE = 48000  # Hz
STRINGS = (220.0, 261.63, 329.63, 392.0, 493.88)  # Hz
MELODY = (0, 2, 4, 2, 3, 1, 4, 1)  # of strings
STEP = RATE // 5  # frames from note to note
BURST = np.random.default_rng(0).uniform(-0.5, 0.5, RATE // 200).astype(np.float32)  # what plucks a string
LINES, HADAMARD = (1871, 2053, 2399, 2713), np.array([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]) / 2


def instrument():
    """The sound, and the knob that is turned while it plays. Input channel i plucks string i."""
    cutoff = Signal.param(200.0, min=20.0, max=20000.0)
    saws = (Signal.phasor(Tensor([55.0, 55.4, 82.5, 109.8])) * 2 - 1).mean()
    # The knob is turned once a block; smooth makes a glide of its steps, which would click.
    drone = saws.ladder(cutoff.smooth(time_ms=60), resonance=0.7, drive=2.0)
    plucked = dg.stack([Signal.input(i) for i in range(len(STRINGS))])
    strings = plucked.karplus_strong(Tensor(STRINGS), decay=2.5, brightness=0.6).sum()
    dry = 0.5 * drone + 0.5 * strings
    echo = dg.feedback(lambda prev: dry + 0.4 * prev.delay(1.5 * STEP).onepole(0.5))
    room = echo.fdn(LINES, HADAMARD, gain=0.85, damping=0.3).sum()
    return (echo + 0.15 * room).tanh(), cutoff


def plucks(start, frames):
    """The bursts of noise that play the melody, in `frames` frames from `start` on, for each string."""
    given = np.zeros((len(STRINGS), frames), np.float32)
    for note in range(max(0, (start - len(BURST)) // STEP), (start + frames) // STEP + 1):
        at = note * STEP - start
        first, last = max(at, 0), min(at + len(BURST), frames)
        if first < last:
            given[MELODY[note % len(MELODY)], first:last] = BURST[first - at : last - at]
    return dict(enumerate(given))


def player(sound, cutoff):
    """What plays the next block of inputs at a cutoff: C where there is a compiler, else XLA, whose blocks take longer."""
    try:
        built = dg.compile(sound, params={"cutoff": cutoff})
    except dg.BackendError as error:
        print(f"played by XLA: {error}")

        def streamed(inputs, hz, frames):
            cutoff.value = hz
            return sound.realize(frames, inputs=inputs, preserve_state=True)

        return streamed

    def played(inputs, hz, frames):
        built.params["cutoff"] = hz
        return built.process(inputs)

    return played


def performance(frames, times):
    """Endless blocks of sound. The seconds that each took are added to `times`."""
    play = player(*instrument())
    for start in itertools.count(0, frames):
        begun = time.perf_counter()
        octaves = 2.5 * (1 - np.cos(2 * np.pi * start / RATE / 8))  # up and down in 8 seconds
        block = play(plucks(start, frames), 200 * 2**octaves, frames)
        times.append(time.perf_counter() - begun)
        yield block


def sound_card():
    """The module sounddevice, or in one line why there is no sound."""
    try:
        import sounddevice
    except ImportError:
        return None, 'sounddevice is not installed: pip install -e ".[live]"'
    except OSError as error:
        return None, f"sounddevice does not find its library ({error}): on Debian, apt install libportaudio2"
    try:
        sounddevice.check_output_settings(channels=1, samplerate=RATE, dtype="float32")
    except (sounddevice.PortAudioError, ValueError) as error:
        return None, f"there is no output device for {RATE} Hz ({error})"
    return sounddevice, ""


def play(sounddevice, blocks, frames, ahead):
    """Send blocks to the sound card until they end. Returns how often it found none."""
    ready, stop, ended, failed = queue.Queue(ahead), threading.Event(), threading.Event(), []
    underruns = 0

    def put(block):
        while not stop.is_set():
            try:
                ready.put(block, timeout=0.1)
                break
            except queue.Full:
                pass

    def compute():
        try:
            for block in blocks:
                put(block)
                if stop.is_set():
                    return
        except Exception as error:
            failed.append(error)
        put(None)

    def callback(out, count, moment, status):
        nonlocal underruns
        try:
            block = ready.get_nowait()
        except queue.Empty:
            underruns += 1
            out.fill(0)
            return
        if block is None:
            out.fill(0)
            raise sounddevice.CallbackStop
        out[:, 0] = block

    worker = threading.Thread(target=contextvars.copy_context().run, args=(compute,))  # a thread of its own sees no override
    worker.start()
    try:
        while worker.is_alive() and not ready.full():
            time.sleep(0.01)
        settings = {"samplerate": RATE, "blocksize": frames, "channels": 1, "dtype": "float32"}
        with sounddevice.OutputStream(**settings, callback=callback, finished_callback=ended.set):
            while not ended.wait(0.2):
                pass
    except KeyboardInterrupt:
        print()
    finally:
        stop.set()
        worker.join()
    if failed:
        raise failed[0]
    return underruns


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    seconds = ft.partial(workbench.above_zero, most=3600)
    block, ahead = ft.partial(workbench.whole, least=16, most=4096), ft.partial(workbench.whole, most=1000)
    parser.add_argument("--seconds", type=seconds, default=20.0, help="how long it plays (default: 20)")
    parser.add_argument("--block", type=block, default=256, help="frames of a block (default: 256)")
    parser.add_argument("--ahead", type=ahead, default=4, help="blocks computed ahead (default: 4)")
    parser.add_argument("--out", type=Path, help="write a WAV file instead of playing")
    args = parser.parse_args()

    DGen.sample_rate = RATE
    frames, times = args.block, []
    count = -(-int(args.seconds * RATE) // frames)
    blocks = itertools.islice(performance(frames, times), count)
    sounddevice, missing = (None, "") if args.out else sound_card()
    if sounddevice:
        print(f"playing {args.seconds:g} s; Ctrl-C stops", flush=True)
        underruns = play(sounddevice, blocks, frames, args.ahead)
        done = f"played {len(times) * frames / RATE:.1f} s, {underruns} underruns"
    else:
        file = args.out or Path("output") / "live.wav"
        if missing:
            print(f"no live sound: {missing}; writing {file}")
        file.parent.mkdir(parents=True, exist_ok=True)
        samples = np.concatenate(list(blocks))[: int(args.seconds * RATE)]
        audio.write(file, samples, RATE)
        done = f"wrote {len(samples) / RATE:.1f} s to {file}"
    p50, p999 = 1e3 * np.percentile(times[1:] or times, [50, 99.9])  # XLA compiles in the first block
    print(f"{done}; a block of {1e3 * frames / RATE:.2f} ms took {p50:.2f} ms (median), {p999:.2f} ms (p99.9)")


if __name__ == "__main__":
    try:
        main()
    except (dg.DGenError, OSError) as error:
        sys.exit(f"live: {error}")

"""Train a voice on a folder of recordings: a synthesizer that learns to sound like what it hears.

A small network hears the loudness, pitch and bands of a recording, and plays harmonics and filtered noise. It learns from
segments of all recordings (WAV and FLAC, of any rate and length), and is judged by segments that it never learns from.

    python examples/train_voice.py                                      the speech in examples/data
    python examples/train_voice.py --data recordings --out runs/voice --steps 5000
    python examples/train_voice.py --data recordings --out runs/voice --steps 5000 --resume

Stop it whenever you like: with --resume it goes on, and ends where it would have ended, to the last bit on one CPU. Ctrl-C
saves a checkpoint first. The folder --out receives

    latest, previous and best .safetensors    checkpoints; best has the lowest loss in validation
    log.jsonl                                 a line for each step and each validation
    run.json                                  settings and recordings, which --resume compares
    original.wav, voice.wav, training.png     held-out sound, what the best voice makes of it, and the losses
"""

import argparse
import contextlib
import json
import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import checkpoints
import jax
import numpy as np
import optax
import voice_data
import voice_model
from matplotlib.figure import Figure
from tqdm.auto import tqdm
from workbench import Refused, above_zero, finite, plot_losses, plot_spectra, whole

import dgenlazy as dg
from dgenlazy import DGen, audio
from dgenlazy.config import BACKENDS
from dgenlazy.run import backend

DATA = Path(__file__).parent / "data"
MOST_VALIDATED = 64  # segments; of more, as many are taken from all over them
HALF_LIFE = 2000  # steps in which the learning rate falls by half
RESULT_SECONDS = 10  # of held-out sound, at most


class Run:
    """A run of training: its data, its functions, and where it has got to."""

    def __init__(self, args, recordings):
        self.args, self.log = args, args.out / "log.jsonl"
        self.frames = segment_frames(args)
        self.training, self.held_out = voice_data.split(recordings, self.frames, args.rate)
        if not self.held_out:
            raise Refused(f"--data: no recording has two segments of {args.seconds:g} s, one to learn from, one for validation")
        self.voice = voice_model.voice_function(self.frames, args.seed)
        self.rate_at = optax.exponential_decay(args.lr, HALF_LIFE, 0.5)
        optimizer = optax.adam(self.rate_at)
        self.update, self.losses = compiled(self.voice, optimizer)
        self.learned = {"params": self.voice.params, "optimizer": optimizer.init(self.voice.params)}
        self.judged = False  # whether the parameters were validated
        self.state = {"step": 0, "epoch": 0, "position": 0, "best": None, "versions": versions(args)}

    def resume(self):
        """Go on from the newest good checkpoint, if there is one, and cut the log there."""
        found = checkpoints.load_newest(self.args.out, self.learned, complain)
        checkpoints.cut_log(self.log, found[1]["step"] if found else -1)
        if not found:
            complain(f"there is no checkpoint in {self.args.out}; starting at step 0")
            return
        here = self.state["versions"]
        self.learned, self.state = found
        for name, before in self.state["versions"].items():
            if before != here[name]:
                complain(f"{name} was {before}, and is {here[name]}: results may differ in their last digits")
        self.state["versions"] = here
        self.judged, best = True, self.state["best"]
        if best is None or not np.isfinite(best["validation"]):
            self.state["best"] = None
            return
        try:
            checkpoints.load(self.args.out / checkpoints.BEST, self.learned)
        except checkpoints.Damaged as error:
            complain(f"{error}; looking for a best one again, from step {self.state['step']} on")
            self.judged, self.state["best"] = False, None

    def batch(self, step):
        """The examples of a step, and its epoch."""
        chosen, epoch = voice_data.batch_order(len(self.training), self.args.batch, step, self.args.seed)
        return voice_data.load_batch([self.training[i] for i in chosen], self.frames, self.args.rate), epoch

    def step(self, batch):
        """One step of training. Returns its loss."""
        params, optimizer, loss = self.update(self.learned["params"], self.learned["optimizer"], batch)
        loss = finite(float(loss), self.state["step"] + 1)
        self.learned = {"params": params, "optimizer": optimizer}
        self.state["step"] += 1
        self.state["epoch"], self.state["position"] = divmod(self.state["step"] * self.args.batch, len(self.training))
        return loss

    def validate(self):
        """The mean loss over held-out segments. If it is the lowest so far, this is saved as the best checkpoint.

        What is not finite is lower than nothing, and nothing would be lower than it: it is told, and does not count.
        """
        found, size = [], self.args.batch
        chosen = np.unique(np.linspace(0, len(self.held_out) - 1, MOST_VALIDATED).round().astype(int))
        for i in range(0, len(chosen), size):
            part = [self.held_out[k] for k in chosen[i : i + size]]
            full = part + part[:1] * (size - len(part))  # one size of batch, so that nothing compiles again
            losses = self.losses(self.learned["params"], voice_data.load_batch(full, self.frames, self.args.rate))
            found += np.asarray(losses).tolist()[: len(part)]
        loss, best = float(np.mean(found)), self.state["best"]
        if not np.isfinite(loss):
            complain(f"validation is {loss} at step {self.state['step']}, and does not count")
        elif best is None or loss < best["validation"]:
            # Saved before the latest checkpoint tells of it: after a crash in between, the run comes here again.
            self.state["best"] = {"step": self.state["step"], "validation": loss}
            checkpoints.save(self.args.out, self.learned, self.state, best=True)
        return loss


def compiled(voice, optimizer):
    """A step of training, and the losses of the examples of a batch: each one compiled function."""

    def losses(params, batch):
        return jax.vmap(lambda example: voice(params, example)[0]["loss"])(batch)

    def update(params, state, batch):
        loss, gradients = jax.value_and_grad(lambda params: losses(params, batch).mean())(params)
        changes, state = optimizer.update(gradients, state, params)
        return optax.apply_updates(params, changes), state, loss

    return jax.jit(update), jax.jit(losses)


def train(run):
    """Train up to `--steps`, with a log, validation and checkpoints. Returns the signal that ended it before, or None."""
    args, state = run.args, run.state
    with (
        open(run.log, "a", buffering=1) as log,
        ThreadPoolExecutor(1) as reader,
        tqdm(total=args.steps, initial=min(state["step"], args.steps), desc="training") as progress,
        signals_noted() as signals,
    ):

        def write(started, **entry):
            log.write(json.dumps({"step": state["step"], **entry, "seconds": round(time.perf_counter() - started, 4)}) + "\n")

        def validate():
            started = time.perf_counter()
            write(started, validation=run.validate())

        def save():
            os.fsync(log.fileno())
            checkpoints.save(args.out, run.learned, state)

        if not run.judged:
            validate()
            save()
        following = reader.submit(run.batch, state["step"])
        while state["step"] < args.steps and not signals:
            started, lr = time.perf_counter(), float(run.rate_at(state["step"]))
            batch, epoch = following.result()
            following = reader.submit(run.batch, state["step"] + 1)
            loss = run.step(batch)
            write(started, epoch=epoch, loss=loss, lr=lr)
            best = f"{state['best']['validation']:.3f}" if state["best"] else "none yet"
            progress.set_postfix_str(f"loss {loss:.3f}, best validation {best}", refresh=False)
            progress.update()
            last = state["step"] == args.steps
            if last or state["step"] % args.validate_every == 0:
                validate()
            if last or signals or state["step"] % args.checkpoint_every == 0:
                save()
        return signals[0] if signals else None


@contextlib.contextmanager
def signals_noted():
    """A list that receives Ctrl-C and SIGTERM, so that a step can be finished and saved. A second one ends at once."""
    received, numbers = [], (signal.SIGINT, signal.SIGTERM)

    def note(number, frame):
        received.append(number)
        signal.signal(number, signal.SIG_DFL)

    before = [signal.signal(number, note) for number in numbers]
    try:
        yield received
    finally:
        for number, handler in zip(numbers, before):
            signal.signal(number, handler)


def resynthesis(run, params):
    """Held-out sound of the longest recording, and what the voice makes of it, streaming from segment to segment."""
    first = max(run.held_out, key=lambda segment: segment.recording.frames / segment.recording.rate)
    recording, start = first.recording, first.start
    end = min(recording.frames * run.args.rate / recording.rate, start + RESULT_SECONDS * run.args.rate)
    play, state, heard, played = jax.jit(run.voice), None, [], []
    for at in range(start, max(round(end - run.frames / 2), start + 1), run.frames):
        example = voice_data.example(recording, at, run.frames, run.args.rate)
        state = run.voice.initial_state(params, example) if state is None else state
        outputs, state = play(params, example, state)
        heard.append(example["audio"])
        played.append(np.asarray(outputs["voice"]))
    return np.concatenate(heard), np.concatenate(played)


def plot(file, log, original, voice, rate):
    """Draw the losses, and the spectra of the original and of the voice."""
    figure = Figure(figsize=(11, 7.5), layout="constrained")
    figure.suptitle("A voice learns to sound like recordings", fontweight="bold")
    axes = figure.subplot_mosaic([["loss", "loss"], ["original", "voice"]], height_ratios=[1, 1.3])
    losses = {}
    for name in ("loss", "validation"):
        entries = [entry for entry in log if name in entry]
        losses[name] = [e["step"] for e in entries], [e[name] for e in entries]
    plot_losses(axes["loss"], losses)
    sounds = {"Original": original, "Voice": voice}
    size = 2 * round(0.016 * rate)
    plot_spectra(figure, [axes["original"], axes["voice"]], sounds, rate, size, top_db=-10)
    figure.savefig(file, dpi=120)


def segment_frames(args):
    """The frames of a segment: a whole number of control points."""
    hop = args.rate // voice_data.CONTROL_RATE
    return max(1, round(args.seconds * args.rate / hop)) * hop


def description(args, recordings):
    """What decides the results of a run: its settings, and its recordings."""
    settings = {name: getattr(args, name) for name in ("rate", "seconds", "batch", "seed", "lr", "validate_every")}
    settings |= {name: getattr(voice_model, name) for name in ("HARMONICS", "NOISES", "HIDDEN", "WINDOWS_MS")}
    return {"settings": settings, "recordings": {r.name: r.fingerprint() for r in recordings}}


def versions(args):
    device = backend.device(args.backend).device_kind
    return {"dgenlazy": dg.__version__, "jax": jax.__version__, "numpy": np.__version__, "device": device}


def complain(message):
    tqdm.write(f"train_voice: {message}", file=sys.stderr)


def sample_rate(text):
    rate = whole(text)
    if rate < 4000 or rate % voice_data.CONTROL_RATE:
        raise argparse.ArgumentTypeError(f"{text} is not a multiple of {voice_data.CONTROL_RATE} Hz from 4000 Hz on")
    return rate


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of recordings, searched in depth (examples/data)")
    parser.add_argument("--out", type=Path, default=Path("output/voice"), help="folder of the run (output/voice)")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --out; start it if there is none")
    parser.add_argument("--steps", type=whole, default=500, help="where to stop; a resumed run may go further (500)")
    parser.add_argument("--batch", type=whole, default=8, help="segments in a step (8)")
    parser.add_argument("--seconds", type=above_zero, default=0.5, help="length of a segment (0.5)")
    parser.add_argument("--rate", type=sample_rate, default=16000, help="sample rate to train at, in Hz (16000)")
    parser.add_argument("--lr", type=above_zero, default=3e-3, help=f"learning rate; halved every {HALF_LIFE} steps (0.003)")
    parser.add_argument("--seed", type=int, default=0, help="of weights, noise and the order of segments (0)")
    parser.add_argument("--checkpoint-every", type=whole, default=100, metavar="STEPS", help="how often to save (100)")
    parser.add_argument("--validate-every", type=whole, default=50, metavar="STEPS", help="how often to validate (50)")
    parser.add_argument("--backend", choices=BACKENDS, default="auto", help="where to run (auto)")
    return parser.parse_args()


def main():
    args = arguments()
    DGen.sample_rate, DGen.seed, DGen.backend = args.rate, args.seed, args.backend
    jax.config.update("jax_default_device", backend.device(args.backend))
    if not args.data.is_dir():
        raise Refused(f"--data: there is no folder {args.data}")
    recordings = voice_data.find_recordings(args.data, complain)
    if not recordings:
        raise Refused(f"--data: there is no WAV or FLAC file in {args.data} that can be read")
    run = Run(args, recordings)
    checkpoints.enter(args.out, description(args, recordings), args.resume)
    if args.resume:
        run.resume()
    print(f"{len(recordings)} recordings; {len(run.training)} segments to learn from, {len(run.held_out)} held out")
    stopped_by = train(run)
    if stopped_by:
        complain(f"stopped after step {run.state['step']}, which is saved; --resume goes on")
        sys.exit(128 + stopped_by)

    if run.state["best"] is None:
        found = [entry for entry in checkpoints.read_log(run.log) if "validation" in entry]
        seen = ", ".join(f"{entry['validation']} at step {entry['step']}" for entry in found[:3])
        more = ", ..." if len(found) > 3 else ""
        raise Refused(f"no validation gave a finite loss ({seen}{more}), so there is no best voice")
    learned, state = checkpoints.load(args.out / checkpoints.BEST, run.learned)
    original, voice = resynthesis(run, learned["params"])
    audio.write(args.out / "original.wav", original, args.rate, bits=32)
    audio.write(args.out / "voice.wav", voice, args.rate, bits=32)
    log = checkpoints.read_log(run.log)
    plot(args.out / "training.png", log, original, voice, args.rate)
    best = state["best"]
    print(f"validation {log[0]['validation']:.3f} -> {best['validation']:.3f} at step {best['step']}; see {args.out}/")


if __name__ == "__main__":
    try:
        main()
    except (Refused, dg.DGenError, OSError) as error:
        sys.exit(f"train_voice: {error}")
    except KeyboardInterrupt:
        sys.exit(130)

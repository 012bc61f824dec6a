"""Losses over spectra at six sizes, with their gradient, against auraloss, and against ddsp's written in PyTorch.

    python tests/bench/losses.py [--seconds 4] [--rounds 15] [--threads 1] [--json out.json]

Contenders must agree in value and gradient before anything is timed, in the gradient of the second loss with PyTorch in
float64; all transform the target in each call, and are timed in turns. JAX takes the cores that the process may use, PyTorch
as many threads as `--threads`: give it the same number by `taskset`. A row gives the median time, and the ratio of dgenlazy's
time to it: below 1, dgenlazy is faster. Takes auraloss and PyTorch for the CPU.
"""

import argparse
import json

import auraloss
import jax
import numpy as np
import torch
from recurrences import compare, jitted, time_all

import dgenlazy as dg
from dgenlazy import DGen, Signal

RATE = 16000.0
SIZES = (2048, 1024, 512, 256, 128, 64)
random = np.random.default_rng(0)


def recordings(frames):
    """A tone and a duller one beside it, both in noise."""
    turns = 2 * np.pi * np.arange(frames) / RATE
    target = 0.6 * np.sin(440 * turns) + 0.2 * np.sin(1320.5 * turns) + 0.05 * random.uniform(-1, 1, frames)
    pred = 0.5 * np.sin(445 * turns) + 0.25 * np.sin(1320.5 * turns) + 0.04 * random.uniform(-1, 1, frames)
    return pred.astype(np.float32), target.astype(np.float32)


def multi_resolution(pred, target):
    hops = [n // 4 for n in SIZES]
    return dg.multi_resolution_stft_loss(pred, target, fft_sizes=SIZES, hop_sizes=hops, win_lengths=SIZES)


AURALOSS = auraloss.freq.MultiResolutionSTFTLoss(list(SIZES), [n // 4 for n in SIZES], list(SIZES))


def by_auraloss(pred, target):
    return AURALOSS(pred[None, None], target[None, None])


def multi_scale(pred, target):
    return dg.multi_scale_spectral_loss(pred, target, fft_sizes=SIZES, logmag_weight=1.0)


def ddsp_in_torch(pred, target):
    total = 0.0
    for size in SIZES:
        hop, window = size // 4, torch.hann_window(size, dtype=pred.dtype)
        room = size + hop * (-(-len(pred) // hop) - 1) - len(pred)
        a, b = (
            torch.stft(torch.nn.functional.pad(x, (0, room)), size, hop, window=window, center=False, return_complex=True).abs()
            for x in (pred, target)
        )
        total += (a - b).abs().mean() + (a.clamp(min=1e-12).log() - b.clamp(min=1e-12).log()).abs().mean()
    return total


def contest(title, loss, peer, name, pred, target, rounds, in_double=False):
    """Both agree before they are timed; `in_double`, the gradient with that of the peer in float64."""
    sources = Signal.from_samples(pred), Signal.from_samples(target)
    fn = dg.function(loss(*sources), inputs=dict(zip(("pred", "target"), sources)))

    def ours(pred, target):
        return fn.whole(inputs={"pred": pred, "target": target})

    given = torch.tensor(pred), torch.tensor(target)

    def forward():
        with torch.no_grad():
            return peer(*given)

    def gradient(given=given):
        moved = given[0].clone().requires_grad_()
        value = peer(moved, given[1])
        value.backward()
        return value.detach(), moved.grad

    rows = compare(title, {"dgenlazy": jitted(ours, pred, target), name: forward}, rounds)
    step = jitted(jax.value_and_grad(ours), pred, target)
    forms = {"dgenlazy": step, name: gradient}
    if not in_double:
        return rows + compare(f"{title}, with gradient", forms, rounds, tol=5e-3)
    # A bin where both spectra are the same but for rounding has a slope of either sign, and a logarithm makes it large.
    (value, slopes), (exact, wanted) = step(), [x.numpy() for x in gradient([x.double() for x in given])]
    np.testing.assert_allclose(value, exact, rtol=1e-4, err_msg=title)
    far = np.linalg.norm(slopes - wanted) / np.linalg.norm(wanted)
    assert far < 1e-2, f"{title}: the gradient is {far:.1e} off that of {name} in float64"
    return rows + time_all(f"{title}, with gradient", forms, rounds)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, help="of PyTorch; by default all cores that the process may use")
    parser.add_argument("--json", help="where to write the rows")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    pred, target = recordings(int(args.seconds * RATE))
    versions = f"jax {jax.__version__}, torch {torch.__version__} with {torch.get_num_threads()} threads"
    print(f"{versions}, {args.seconds} s at {RATE:.0f} Hz")
    with DGen.override(sample_rate=RATE):
        rows = contest("multi-resolution", multi_resolution, by_auraloss, "auraloss", pred, target, args.rounds)
        rows += contest("multi-scale", multi_scale, ddsp_in_torch, "ddsp in PyTorch", pred, target, args.rounds, in_double=True)
    if args.json:
        with open(args.json, "w") as file:
            json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()

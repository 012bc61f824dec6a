"""What an installed package does at least: it is typed, sounds, learns and tells its version. To be run outside a checkout."""

import importlib.metadata
from pathlib import Path

import numpy as np

import dgenlazy as dg
from dgenlazy import Adam, Signal, Tensor

folder = Path(dg.__file__).parent
assert "site-packages" in folder.parts, f"this is not what was installed: {folder}"
assert {"py.typed", "methods.pyi", "__init__.pyi"} <= {path.name for path in folder.iterdir()}
assert dg.__version__ == importlib.metadata.version("dgenlazy")

tone = (Signal.phasor(440.0) * 2 * np.pi).sin() * 0.5
samples = tone.biquad(1000.0).realize(frames=4410)
assert samples.shape == (4410,)
assert 0.3 < np.abs(samples).max() < 0.6

gain = Signal.param(1.0)
optimizer = Adam([gain], lr=0.1)
for _ in range(100):
    error = dg.mse(gain * tone, 2.0 * tone).backward(frames=1000)
    optimizer.step()
    optimizer.zero_grad()
assert error < 1e-3
assert float(Tensor([1.0, 2.0]).sum()) == 3.0
print(f"{folder}: good")

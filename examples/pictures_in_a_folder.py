"""Pictures in a folder: variants compared on them, and new pictures drawn from the one that validation data choose.

    python examples/pictures_in_a_folder.py

The folder is made here of scikit-learn's handwritten digits, one sub-folder per class; yours is given instead as
`image-folder[path=pictures,size=32]`.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

import bench


def write_pictures(folder: Path, n: int) -> None:
    """`n` digits of 8 × 8 pixels as PNG files, sorted into folders by class."""
    digits = load_digits()
    for place, (pixels, label) in enumerate(zip(digits.images[:n], digits.target[:n], strict=True)):
        (folder / str(label)).mkdir(parents=True, exist_ok=True)
        Image.fromarray((pixels * 255 / 16).astype(np.uint8)).save(folder / str(label) / f"{place:04}.png")


def main(steps: int = 1500, n: int = 1797) -> np.ndarray:
    """Compare ae and vae on the pictures; sixteen new ones, (16, 1, 8, 8) in grey values from 0 to 255."""
    with tempfile.TemporaryDirectory() as folder:
        pictures = Path(folder) / "pictures"
        write_pictures(pictures, n)
        frame = bench.run(
            ["ae", "vae"],
            f"image-folder[path={pictures},size=8,grey=true]",
            seeds=2,
            steps=steps,
            metrics="val_mse,test_mse,energy_fit",
            output=Path(folder) / "run",
            quiet=True,
        )
        print(frame.pivot_table("value", "variant", "metric"))
        best = frame[frame.metric == "energy_fit"].groupby("variant").value.mean().idxmin()
        model = bench.load_model(frame.attrs["run"], best, seed=0)
        drawn = model.sample(16)
    print(f"drawn from {best}: {drawn.shape}, grey values {drawn.min():.0f} to {drawn.max():.0f}")
    return drawn


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

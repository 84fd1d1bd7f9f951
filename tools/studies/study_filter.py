"""What a linear filter can take away of each corruption, and whether its gain needs directions.

    python tools/studies/study_filter.py IMAGES

No model: half of the images builds the filter of ``iaside filter`` at strength 1, the other half
says which share of the corruption's mean square it takes away; with a gain by ring, as the command
has it, and with one for each frequency. IMAGES are those of ``iaside analyze``, all of one size.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from iaside_onnx.corruptions.corrupt import corrupt, generator
from iaside_onnx.corruptions.severity import IMAGENET_C
from iaside_onnx.images.sample import Reading, draw_sample
from iaside_onnx.mathematics.wiener import Kernel, Spectra, filtered, smallest_kernel
from iaside_onnx.preprocessing.preprocess import load_preprocess


def main() -> None:
    """Corrupt, build, take away, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", type=Path)
    parser.add_argument("--samples", type=int, default=300)
    parser.add_argument("--severity", type=int, default=3)
    given = parser.parse_args()
    sample = draw_sample(Reading.asked(given.images).open(), given.samples, 0)
    height, width = np.asarray(sample.picture(0)).shape[:2]
    recipe = load_preprocess(None).for_size(height, width)
    images = [recipe.pixels(sample.picture(place), 3) for place in range(len(sample))]

    def perturbed(place: int, name: str) -> np.ndarray:
        rng = generator(0, sample.pixel_digest(place).hex(), name, given.severity)
        return corrupt(images[place], name, given.severity, rng)

    print("| corruption | by ring: taken away, kernel | by frequency |\n| --- | --- | --- |")
    for name in IMAGENET_C:
        spectra = Spectra(height, width)
        for place in range(0, len(images), 2):
            spectra.add(images[place], perturbed(place, name))
        others = range(1, len(images), 2)
        clean = np.stack([images[place] for place in others])
        pictures = np.stack([perturbed(place, name) for place in others])

        def taken(
            kernel: Kernel, clean: np.ndarray = clean, pictures: np.ndarray = pictures
        ) -> str:
            if np.array_equal(pictures, clean):
                return "unchanged"
            left = np.square(filtered(pictures, kernel.weights) - clean).mean()
            share = 1 - left / np.square(pictures - clean).mean()
            return f"{100 * share:.0f} %, {kernel.size}x{kernel.size}"

        cells = [
            taken(smallest_kernel(spectra.gain(by_ring=by_ring), spectra.power))
            for by_ring in (True, False)
        ]
        print(f"| {name.replace('_', ' ')} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()

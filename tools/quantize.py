"""Write quantised versions of a float ONNX classifier with onnxruntime's own tools.

Calibration uses real images through the package's own loader and preprocessing, so that the model
sees what it sees in an audit. Run in the project's environment::

    python tools/quantize.py models/demo-plain.onnx demo/test -o quantised/
    iaside analyze models/demo-plain.onnx demo/test -o float.h5
    iaside analyze quantised/demo-plain-qdq.onnx demo/test -o qdq.h5
    iaside compare float.h5 qdq.h5

Kinds, one file each, ``NAME-KIND.onnx``:

- ``qdq``: INT8 weights per channel and activations, QuantizeLinear/DequantizeLinear pairs;
- ``qoperator``: the same as integer operators (QLinearConv and others), per tensor;
- ``dynamic``: INT8 weights, activations quantised on the fly;
- ``float16``: weights, activations, input and output in half precision.

The audit's own sample should not be the calibration's: ``--seed`` draws another one.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process
from onnxruntime.transformers.float16 import convert_float_to_float16

from iaside_onnx.images.sample import draw_sample, open_images
from iaside_onnx.inference.classifier import open_classifier
from iaside_onnx.inference.range_check import check_pixel_range
from iaside_onnx.inference.session import choose_runtime
from iaside_onnx.listener import Listener
from iaside_onnx.settings import Settings

KINDS = ("qdq", "qoperator", "dynamic", "float16")
_GROUP = 8


class _Recorder:
    """A session that keeps what it is fed."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self.fed: list[dict[str, NDArray[Any]]] = []

    def run(self, outputs: list[str], inputs: dict[str, NDArray[Any]], options: Any = None) -> Any:
        """Run the session and keep `inputs`."""
        self.fed.append(inputs)
        return self._session.run(outputs, inputs, options)


class _Fed(CalibrationDataReader):  # type: ignore[misc]
    """Hands the recorded inputs to the calibration, batch by batch."""

    def __init__(self, fed: list[dict[str, NDArray[Any]]]) -> None:
        self._left: Iterator[dict[str, NDArray[Any]]] = iter(fed)

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        """Next batch of inputs; None at the end."""
        return next(self._left, None)


def model_inputs(
    model: Path, images: Path, labels: Path | None, samples: int, **settings: Any
) -> list[dict[str, NDArray[Any]]]:
    """What the model is fed for a sample of the images, in batches.

    Parameters
    ----------
    samples : int
        Images to draw, stratified by class.
    **settings
        Fields of `iaside_onnx.Settings`, such as preprocess or seed.
    """
    wanted = Settings(samples=samples, **settings)
    sample = draw_sample(open_images(images, labels), samples, wanted.seed)
    classifier = open_classifier(model, choose_runtime("cpu", 0), wanted, sample, Listener())
    check_pixel_range(classifier, sample, Listener(), asked=wanted.preprocess is not None)
    recorder = _Recorder(classifier.model.session)
    classifier.model.session = recorder
    for start in range(0, len(sample), _GROUP):
        places = range(start, min(start + _GROUP, len(sample)))
        classifier.model.scores(
            np.stack([classifier.pixels(sample.picture(place)) for place in places])
        )
    return recorder.fed


def quantize(
    model: Path, kind: str, target: Path, fed: list[dict[str, NDArray[Any]]] | None = None
) -> None:
    """Write one quantised version; `fed` is needed for the static kinds.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    fed : list of dict
        Inputs to calibrate on, from `model_inputs`.
    """
    original = onnx.load(model)
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "made.onnx"
        if kind == "float16":
            onnx.save(convert_float_to_float16(original), made)
        else:
            ready = Path(folder) / "ready.onnx"
            # Folds batch normalisation into convolutions; symbolic shapes need another package.
            quant_pre_process(str(model), str(ready), skip_symbolic_shape=True)
            _forget_shapes_of_weights(ready)
            if kind == "dynamic":
                quantize_dynamic(ready, made, weight_type=QuantType.QUInt8)
            else:
                assert fed is not None
                quantize_static(
                    ready,
                    made,
                    _Fed(fed),
                    quant_format=QuantFormat.QDQ if kind == "qdq" else QuantFormat.QOperator,
                    per_channel=kind == "qdq",
                    activation_type=QuantType.QInt8 if kind == "qdq" else QuantType.QUInt8,
                    weight_type=QuantType.QInt8,
                )
        written = onnx.load(made)
    # The tools drop or add metadata; what the file says of itself stays what the original said.
    del written.metadata_props[:]
    written.metadata_props.extend(original.metadata_props)
    onnx.checker.check_model(written)
    target.write_bytes(written.SerializeToString())


def _forget_shapes_of_weights(path: Path) -> None:
    """Remove shapes noted beside the weights: the tools turn weights round, but not the notes."""
    proto = onnx.load(path)
    weights = {tensor.name for tensor in proto.graph.initializer}
    kept = [info for info in proto.graph.value_info if info.name not in weights]
    del proto.graph.value_info[:]
    proto.graph.value_info.extend(kept)
    onnx.save(proto, path)


def main() -> int:
    """Parse the command line and write the files; return the exit status."""
    parser = argparse.ArgumentParser(description="Quantise an ONNX classifier in several ways.")
    parser.add_argument("model", type=Path)
    parser.add_argument("images", type=Path, help="as for iaside analyze")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder")
    parser.add_argument("--labels", type=Path, help="CSV with the columns file,label")
    parser.add_argument("--preprocess", help="as for iaside analyze")
    parser.add_argument("--samples", type=int, default=100, help="calibration images (100)")
    parser.add_argument("--seed", type=int, default=1, help="of the calibration sample (1)")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    fed = model_inputs(
        args.model,
        args.images,
        args.labels,
        args.samples,
        preprocess=args.preprocess,
        seed=args.seed,
    )
    for kind in args.kinds:
        target = args.output / f"{args.model.stem}-{kind}.onnx"
        quantize(args.model, kind, target, fed)
        share = target.stat().st_size / args.model.stat().st_size
        print(f"{target}: {target.stat().st_size:,} bytes, {share:.0%} of the float file")
    return 0


if __name__ == "__main__":
    sys.exit(main())

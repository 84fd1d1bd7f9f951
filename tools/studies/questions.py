"""The questions that were studied: where each is answered, its tables, and how it is measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import cifar, counter_examples, high_passed, spacings, zoo_pictures
from .csv_files import text_of
from .figures import quoted as figures
from .imagenet import quoted as imagenet
from .imagenet import table as imagenet_tables
from .imagenet.gather import FILE as IMAGENET
from .imagenet.study import Study as ImagenetStudy
from .settings import quoted as settings
from .settings import table as settings_tables

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
_STUDIES = "tools/studies"


def _nothing() -> dict[Path, str]:
    return {}


def _none() -> dict[str, str]:
    return {}


@dataclass(frozen=True)
class Question:
    """A question, and what is known of its answer.

    Attributes
    ----------
    asked : str
    page : str
        Of `docs/`, with the heading.
    tables : tuple of str
        CSV files, by their path in this project.
    commands : tuple of str
        What measures it, in order.
    quoted : callable
        The tables of the page that are made from the CSV files, by what they are about.
    following : callable
        CSV files that follow from others or from stored measurements, by file.
    """

    asked: str
    page: str
    tables: tuple[str, ...]
    commands: tuple[str, ...]
    quoted: Callable[[], dict[str, str]] = _none
    following: Callable[[], dict[Path, str]] = _nothing

    @property
    def path(self) -> Path:
        """The page."""
        return DOCS / self.page.partition("#")[0]


def _of_imagenet() -> dict[Path, str]:
    with np.load(IMAGENET) as measured:
        made = imagenet_tables.tables(dict(measured))
    return {
        IMAGENET.parent / f"{name}.csv": text_of(rows)
        for name, rows in made.items()
        if name not in imagenet_tables.PREDICTED
    }


def _predicted() -> dict[Path, str]:
    with np.load(IMAGENET) as measured:
        study = ImagenetStudy(dict(measured))
    return {
        IMAGENET.parent / f"{name}.csv": text_of(table(study))
        for name, table in imagenet_tables.PREDICTED.items()
    }


def _of(folder: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{folder}/{name}.csv" for name in names)


_SHELF = "python -m tools.studies.zoo_reports make --reading l2 --out zoo-reports"
QUESTIONS = {
    "settings": Question(
        "Which settings make the score predict damage best?",
        "evidence.md#which-settings",
        _of(
            f"{_STUDIES}/settings", "settings", "differences", "chosen", "networks", "perturbations"
        ),
        (
            "python -m tools.zoo",
            "python -m tools.studies.settings run --models models/zoo --images demo/test "
            "--out study --samples 48",
            "python -m tools.studies.settings table study",
        ),
        settings.tables,
        settings_tables.following,
    ),
    "score": Question(
        "Does the score say more than clean accuracy, by which norm, of which perturbations?",
        "evidence.md#score-or-clean-accuracy",
        _of(_STUDIES, "zoo-scores", "zoo-measured", "zoo-pictures"),
        (
            "python -m tools.studies.zoo_reports make --out zoo-reports",
            "python -m tools.studies.zoo_reports table zoo-reports",
            "python -m tools.studies.zoo_pictures zoo-reports",
        ),
        lambda: settings.zoo_tables() | zoo_pictures.tables(),
    ),
    "spacings": Question(
        "Do other spacings of bands rank networks better?",
        "evidence.md#norm-and-spacing",
        _of(_STUDIES, "spacings", "spacings-networks"),
        (
            "python -m tools.studies.spacings run --models models/zoo --images demo/test --out zoo",
            "python -m tools.studies.spacings run --models CIFAR --images CIFAR/test-1000.npz "
            "--samples 100 --robustness-samples 100 --out cifar",
            "python -m tools.studies.spacings table --set zoo=zoo --set cifar10=cifar",
        ),
        spacings.tables,
        spacings.following,
    ),
    "imagenet": Question(
        "What do score and damage say of networks pretrained on ImageNet, and of variants?",
        "evidence.md#imagenet-networks",
        _of(f"{_STUDIES}/imagenet", *sorted({*imagenet_tables.NAMES} - {"bands"})),
        ("python -m tools.studies.imagenet --help",),
        imagenet.tables,
        _of_imagenet,
    ),
    "imagenet-bands": Question(
        "On which bands do convolutional networks and transformers rest, pretrained on ImageNet?",
        "paper-figures.md#imagenet-networks",
        _of(f"{_STUDIES}/imagenet", "bands"),
        ("python -m tools.studies.imagenet --help",),
        imagenet.bands,
    ),
    "imagenet-prediction": Question(
        "How well is damage of networks pretrained on ImageNet predicted?",
        "prediction.md#on-ten-imagenet-networks",
        _of(f"{_STUDIES}/imagenet", *imagenet_tables.PREDICTED),
        ("python -m tools.studies.imagenet --help",),
        imagenet.predictions,
        _predicted,
    ),
    "cifar": Question(
        "What do score, damage and prediction say of four CIFAR-10 networks?",
        "evidence.md#four-cifar-10-networks",
        _of(_STUDIES, *(f"cifar-{name}" for name in cifar.PARTS)),
        ("python -m tools.studies.cifar CIFAR --out cifar-reports",),
        cifar.tables,
        cifar.following,
    ),
    "counter-examples": Question(
        "Where does the score mislead?",
        "counter-examples.md",
        _of(_STUDIES, "counter-examples"),
        (_SHELF, "python -m tools.studies.counter_examples report zoo-reports"),
        counter_examples.tables,
    ),
    "sign": Question(
        "What does the sign of the score say?",
        "counter-examples.md#the-sign",
        _of(_STUDIES, "high-passed"),
        (_SHELF, "python -m tools.studies.high_passed zoo-reports"),
        high_passed.tables,
    ),
    "figures": Question(
        "What do the paper's figures look like with these networks?",
        "paper-figures.md",
        _of("docs/figures", "snr", "architectures", "trainings", "labels", "score"),
        (_SHELF, "python -m tools.studies.figures all -o docs/figures --shelf zoo-reports"),
        figures.tables,
    ),
    "prediction": Question(
        "How well is damage predicted from the value table?",
        "prediction.md#how-well-it-does",
        _of(_STUDIES, "prediction"),
        (f"python {_STUDIES}/study_prediction.py REPORTS ROBUSTNESS --snr snr.h5 --grid",),
    ),
    "stand-ins": Question(
        "How well is damage predicted by spectral stand-ins?",
        "prediction.md#stand-ins-against-measurement",
        _of(_STUDIES, "stand-ins", "stand-ins-forms"),
        (
            f"python {_STUDIES}/stand_ins.py measure zoo.npz demo/test --others 84 --table 24 "
            "models/zoo/cnn-plain.onnx ...",
            f"python {_STUDIES}/stand_ins.py report zoo.npz ... --csv stand-ins.csv",
        ),
    ),
    "own-answers": Question(
        "How near do labels from the model come to true ones?",
        "images.md#without-labels",
        _of(_STUDIES, "own-answers"),
        (f"python {_STUDIES}/own_answers.py MODEL IMAGES --bands 6",),
    ),
    "what-helped": Question(
        "Which training helped against which corruption?",
        "what-helped.md",
        _of("iaside_onnx/results", "what_helped"),
        (f"python {_STUDIES}/study_what_helped.py --out helped",),
    ),
    "verdicts": Question(
        "How often is the verdict of an audit wrong?",
        "audit.md#is-it-robust",
        _of(_STUDIES, "verdict-error"),
        (f"python {_STUDIES}/verdict_error.py TABLES --out {_STUDIES}/verdict-error.csv",),
    ),
    "coverage": Question(
        "How often does the 95 % interval hold the truth?",
        "estimators.md#how-often-the-95--interval-holds-the-truth",
        _of(_STUDIES, "coverage"),
        (f"python {_STUDIES}/check_coverage.py --target 0 --seed 20000",),
    ),
    "estimators": Question(
        "What does an estimator gain?",
        "estimators.md#what-they-gain",
        (),
        (f"python {_STUDIES}/compare_estimators.py REPORT.h5 --repeats 12",),
    ),
    "filters": Question(
        "What can a filter take away of each corruption?",
        "filter.md#what-it-can-take-away",
        (),
        (f"python {_STUDIES}/study_filter.py demo/test --samples 0",),
    ),
    "corruptions": Question(
        "Are the corruptions those of the published code?",
        "corruptions.md#against-the-published-code",
        _of(_STUDIES, "corruptions-224", "corruptions-32"),
        (f"python {_STUDIES}/compare_corruptions.py PHOTOS --images 20",),
    ),
    "preprocessing": Question(
        "Does preprocessing agree with the libraries?",
        "preprocessing.md#against-the-libraries-own-results",
        _of(_STUDIES, "preprocessing"),
        (f"python {_STUDIES}/compare_preprocessing.py PHOTOS demo/train",),
    ),
    "attacks": Question(
        "How close do black-box attacks come to a white-box one?",
        "robustness-attacks.md#how-close-the-black-box-error-comes-to-the-white-box-one",
        (),
        (f"python {_STUDIES}/compare_attacks.py demo/test models/demo-plain.onnx",),
    ),
}

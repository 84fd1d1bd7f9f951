"""How well ``iaside predict`` does: rank correlations with damage over a set of networks.

    python tools/studies/study_prediction.py REPORTS ROBUSTNESS --snr snr.h5 [--grid]

REPORTS and ROBUSTNESS are folders of files of ``iaside analyze --norm linf --separate-dc`` and
of ``iaside robustness``, snr.h5 is one of ``iaside snr --norm linf``; networks that have both are
joined by their checksum. In the order of the names of all
reports the first, third, ... are the half on which the two free parameters were chosen, the others
are the half that confirms. Prints Markdown; `--grid` adds what other parameters give on the first
half, and never looks at the second.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

import iaside_onnx as ia
from iaside_onnx.comparisons.prediction import presence_under
from iaside_onnx.mathematics.prediction import multilinear_extension
from iaside_onnx.mathematics.signal_noise import signal_to_noise

Floats = NDArray[np.float64]
GRID = itertools.product((0.05, 0.1, 0.15, 0.2, 0.3, 0.5), (0.25, 0.5, 1.0, 1.5, 2.0, 4.0))


@dataclass(frozen=True)
class Network:
    """One network: its place among the reports, its audit, its measured damage of shape (P, S)."""

    place: int
    name: str
    report: ia.Report
    drop: Floats
    mpe: Floats

    @property
    def plain_score(self) -> float:
        """Signed score of the bands with DC in the lowest one."""
        coalitions = np.arange(self.report.log_prob.shape[1] // 2)
        together = (coalitions >> 1 << 2) | (coalitions & 1) * 3
        psi = ia.shapley_values(self.report.log_prob[:, together].mean(axis=0, dtype=np.float64))
        return float(ia.signed_score(ia.spectral_importance(psi), self.report.beta))


def fall(network: Network, presence: Floats) -> Floats:
    """Fall of the probability at the multilinear extension."""
    values = network.report.view(value="prob").coalition_values
    return np.asarray(values[-1] - multilinear_extension(values, presence))


def forms(snr: ia.SnrReport) -> dict[str, Callable[[Network], Floats]]:
    """What is compared with the truth: larger means more damage."""
    presence = presence_under(snr)
    signal, noise = snr.band_sums
    ratio = signal_to_noise(signal[0].mean(axis=0), noise[0].mean(axis=0))
    ratio[np.isnan(ratio)] = np.inf
    with np.errstate(divide="ignore"):
        whole = 1.0 / (1.0 + ratio**-2.0)  # SNR^2 / (1 + SNR^2)
    shape = ratio.shape[:2]
    return {
        "`iaside predict`": lambda net: fall(net, presence),
        "Shapley values times what is lost": lambda net: np.asarray(
            (1.0 - presence) @ net.report.view(value="prob").shapley
        ),
        "extension at SNR^2 / (1 + SNR^2)": lambda net: fall(net, whole),
        "SID / (1 + SNR)": lambda net: np.asarray((1.0 / (1.0 + ratio)) @ net.report.sid),
        "signed score, negated": lambda net: np.full(shape, -net.plain_score),
        "clean accuracy, negated": lambda net: np.full(shape, -net.report.accuracy),
    }


def rank(first: Floats, second: Floats) -> float:
    """Spearman's correlation; NaN where there is no order."""
    if not np.ptp(first) or not np.ptp(second):
        return float("nan")
    return float(spearmanr(first, second).statistic)


def over_models(predicted: Floats, truth: Floats) -> Floats:
    """One a corruption, over networks; both of shape (networks, P, S)."""
    pairs = zip(predicted.mean(axis=2).T, truth.mean(axis=2).T, strict=True)
    return np.array([rank(a, b) for a, b in pairs])


def over_corruptions(predicted: Floats, truth: Floats) -> Floats:
    """Two a network: over corruptions, and over corruptions and severities."""
    return np.array(
        [
            (rank(a.mean(axis=1), b.mean(axis=1)), rank(a.ravel(), b.ravel()))
            for a, b in zip(predicted, truth, strict=True)
        ]
    )


def load_networks(reports: Path, robustness: Path, snr: ia.SnrReport) -> list[Network]:
    """Networks that have both files, in the order of the names of their reports."""
    measured = {}
    for path in sorted(robustness.glob("*.h5")):
        found = ia.load_robustness(path)
        measured[found.model["sha256"]] = found
    networks = []
    for place, path in enumerate(sorted(reports.glob("*.h5"), key=lambda file: file.stem)):
        report = ia.load(path)
        if report.model["sha256"] in measured:
            both = ia.predict_damage(report, snr).beside(measured[report.model["sha256"]])
            if both.perturbations != snr.perturbations or both.severities != snr.severities:
                raise SystemExit(f"{path}: not all corruptions of the SNR file were measured")
            assert both.measured_drop is not None
            assert both.measured_mpe is not None
            networks.append(
                Network(place, path.stem, report, both.measured_drop, both.measured_mpe)
            )
    return networks


def print_half(title: str, networks: list[Network], snr: ia.SnrReport) -> None:
    """The two tables of one half."""
    print(f"\n### {title}: {', '.join(net.name for net in networks)}\n")
    truths = {name: np.array([getattr(net, name) for net in networks]) for name in ("mpe", "drop")}
    columns = "over models: mean, median | mean damage | over corruptions | pairs | all pairs"
    print(f"| form | truth | {columns} |\n| --- | --- |{' --- |' * 5}")
    each = {}
    for form, function in forms(snr).items():
        predicted = np.array([function(net) for net in networks])
        for name, truth in truths.items():
            by_corruption = each[form, name] = over_models(predicted, truth)
            by_model = over_corruptions(predicted, truth).mean(axis=0)
            cells = [
                f"{np.nanmean(by_corruption):.2f}, {np.nanmedian(by_corruption):.2f}",
                *(
                    f"{value:.2f}"
                    for value in (
                        rank(predicted.mean(axis=(1, 2)), truth.mean(axis=(1, 2))),
                        *by_model,
                        rank(predicted.ravel(), truth.ravel()),
                    )
                ),
            ]
            print(f"| {form} | {name} | {' | '.join(cells)} |")
    kept = [form for form in each if form[0] in ("`iaside predict`", "signed score, negated")]
    kept += [form for form in each if form[0] == "clean accuracy, negated"]
    print(f"\n| corruption | {' | '.join(': '.join(form) for form in kept)} |")
    print(f"| --- |{' --- |' * len(kept)}")
    for row, name in enumerate(snr.perturbations):
        print(f"| {name} | {' | '.join(f'{each[form][row]:.2f}' for form in kept)} |")


def print_grid(networks: list[Network], snr: ia.SnrReport) -> None:
    """Both directions for other parameters; the sum of both truths decides."""
    print("\n### Parameters on the first half\n\n| attenuated | masked | mPE | drop |")
    print("| --- | --- | --- | --- |")
    for attenuated, masked in GRID:
        presence = presence_under(snr, attenuated=attenuated, masked=masked)
        predicted = np.array([fall(net, presence) for net in networks])
        cells = []
        for name in ("mpe", "drop"):
            truth = np.array([getattr(net, name) for net in networks])
            first = np.nanmean(over_models(predicted, truth))
            cells.append(f"{(first + over_corruptions(predicted, truth)[:, 0].mean()) / 2:.3f}")
        print(f"| {attenuated} | {masked} | {' | '.join(cells)} |")


def main() -> None:
    """Read, join, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reports", type=Path)
    parser.add_argument("robustness", type=Path)
    parser.add_argument("--snr", type=Path, required=True)
    parser.add_argument("--grid", action="store_true")
    given = parser.parse_args()
    snr = ia.load_snr(given.snr).view(separate_dc=True)
    networks = load_networks(given.reports, given.robustness, snr)
    if len(networks) < 6:
        raise SystemExit(f"{len(networks)} networks have both files; at least 6 are needed")
    first, second = ([net for net in networks if net.place % 2 == half] for half in (0, 1))
    print_half("First half", first, snr)
    print_half("Second half", second, snr)
    if given.grid:
        print_grid(first, snr)


if __name__ == "__main__":
    main()

"""What a filter in front of a model gains under perturbations, and whether it helps."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..mathematics.paired import Difference, mean_differences, right_answers

# Right answers on clean images that a filter may cost.
MOST_CLEAN_LOSS = 0.02
ROUNDING = 1e-9
# Frequencies at which the gain is told.
_TOLD = 9


@dataclass(frozen=True)
class Tried:
    """One strength on the images that choose it.

    Attributes
    ----------
    clean, perturbed : float
        Shares of right answers.
    probability : float
        Mean probability of the true class of clean images.
    """

    strength: float
    clean: float
    probability: float
    perturbed: float

    def loss(self, without: Tried) -> float:
        """What it costs on clean images: the larger fall, of right answers or of probability."""
        return max(without.clean - self.clean, without.probability - self.probability)


@dataclass(frozen=True, kw_only=True)
class FilterResult:
    """A linear filter, its strength as one half of the images chose it, its effect on the others.

    Attributes
    ----------
    model, data, settings : dict
        As results have them; `settings` hold "against", "max_clean_loss" and "confidence" too.
    against : list of str
        What was filtered against: "gaussian_noise:3", or the name of a folder.
    weights : ndarray, shape (n, n)
        Of the kernel, at the strength that was chosen.
    missed : float
        Share of the wanted change, as mean square, that a kernel of this size does not make.
    gain : list of (float, float)
        Frequency along an axis, as a share of the highest, and gain there at the whole strength.
    tried : list of Tried
        Strengths on the choosing half; the first is 0, no filter.
    strength : float
        The one chosen.
    choosing : int
        Images that built the filter and chose its strength.
    clean : ndarray of bool, shape (2, n)
        Right answers to the other images, without and with the filter.
    perturbed : ndarray of bool, shape (2, n, T)
        The same under each of `against`.
    written : str or None
        The file, if one was written.
    run : dict
        forward_passes, seconds, warnings.
    """

    model: dict[str, Any]
    data: dict[str, Any]
    settings: dict[str, Any]
    provider: str
    against: list[str]
    weights: NDArray[np.float64]
    missed: float
    gain: list[tuple[float, float]]
    tried: list[Tried]
    strength: float
    choosing: int
    clean: NDArray[np.bool_]
    perturbed: NDArray[np.bool_]
    written: str | None
    run: dict[str, Any]

    @property
    def held_out(self) -> int:
        """Images that the effect was measured on."""
        return int(self.clean.shape[1])

    @property
    def confidence(self) -> float:
        """Coverage of the intervals."""
        return float(self.settings["confidence"])

    @property
    def clean_effect(self) -> Difference:
        """Accuracy on clean images without and with the filter, paired."""
        return right_answers(self.clean[0], self.clean[1], self.confidence)

    @property
    def effects(self) -> list[Difference]:
        """Accuracy under each of `against` without and with the filter, paired."""
        before, after = self.perturbed
        return [
            right_answers(*pair, self.confidence) for pair in zip(before.T, after.T, strict=True)
        ]

    @property
    def effect(self) -> Difference:
        """Their mean."""
        if self.perturbed.shape[-1] == 1:
            return self.effects[0]
        before, after = self.perturbed.mean(axis=-1)[..., None]
        seed = int(self.settings["seed"])
        return mean_differences(before, after, self.confidence, seed)[0]

    @property
    def gains(self) -> bool:
        """The interval of the gain under `against` lies above 0, on the held-out half."""
        return self.effect.low > 0

    @property
    def dear(self) -> bool:
        """It costs more right answers to clean images than may be lost, on the held-out half."""
        bound = float(self.settings["max_clean_loss"])
        return self.clean_effect.difference < -bound - ROUNDING

    @property
    def helps(self) -> bool:
        """It gains, and is not too dear; both on images that had no part in building it."""
        return self.gains and not self.dear

    @property
    def sentence(self) -> str:
        """The finding."""
        against, effect, clean = ", ".join(self.against), self.effect, self.clean_effect
        figures = (
            f"{100 * effect.reference:.1f} -> {100 * effect.other:.1f} % right there "
            f"({_points(effect)} points), {100 * clean.reference:.1f} -> "
            f"{100 * clean.other:.1f} % clean ({_points(clean)})"
        )
        images = f"{self.held_out} images that had no part in it"
        if not self.gains:
            return (
                f"This filter does not help against {against}, as far as {images} show: {figures}."
            )
        if self.dear:
            most = f"{100 * self.settings['max_clean_loss']:g}"
            return (
                f"A filter gains against {against}, but costs more than {most} points on clean "
                f"images: {figures}, on {images}."
            )
        return f"A filter helps this model against {against}: {figures}, on {images}."

    def summary(self) -> dict[str, Any]:
        """All of it as plain JSON values."""
        return {
            "model": self.model,
            "data": self.data,
            "settings": self.settings,
            "provider": self.provider,
            "against": self.against,
            "helps": self.helps,
            "finding": self.sentence,
            "gains": self.gains,
            "too_dear": self.dear,
            "filter": {
                "size": len(self.weights),
                "strength": self.strength,
                "missed": self.missed,
                "gain": [list(pair) for pair in self.gain],
                "weights": self.weights.tolist(),
            },
            "choosing": {"images": self.choosing, "tried": [asdict(each) for each in self.tried]},
            "held_out": {
                "images": self.held_out,
                "clean": effect_json(self.clean_effect),
                "perturbed": effect_json(self.effect),
                "each": [
                    {"name": name, **effect_json(effect)}
                    for name, effect in zip(self.against, self.effects, strict=True)
                ],
            },
            "written": self.written,
            **self.run,
        }


def told_gain(gain: NDArray[np.float64]) -> list[tuple[float, float]]:
    """Gains along the shorter axis at a few frequencies, from 0 to the highest."""
    line = gain[:, 0] if gain.shape[0] <= gain.shape[1] else gain[0]
    places = np.linspace(0, len(line) - 1, min(_TOLD, len(line))).round().astype(int)
    return [(float(place / (len(line) - 1)), float(line[place])) for place in places]


def effect_json(effect: Difference) -> dict[str, float]:
    """Accuracy before and after, and the difference with its interval."""
    return {
        "before": effect.reference,
        "after": effect.other,
        "difference": effect.difference,
        "low": effect.low,
        "high": effect.high,
        "p": effect.p,
    }


def _points(effect: Difference) -> str:
    ends = ", ".join(f"{100 * end:+.1f}" for end in (effect.low, effect.high))
    return f"{100 * effect.difference:+.1f} [{ends}]"

"""What perturbs the images of a sample: one corruption at one severity, or one attack."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..corruptions.corrupt import corrupt, generator
from ..errors import UsageError
from ..spelling import option
from .attacked import attack_images, attacked_together, check_attacks, settled_attacks
from .batch_size import BatchSize
from .contract import Advance
from .corrupted import asked_corruptions
from .scorer import Scorer
from .subject import Subject

# Position to its perturbed image in pixel space, shape (C, H, W).
Images = Callable[[int], NDArray[np.float32]]
DEFAULT_SEVERITY = 3


class Perturbation(ABC):
    """Makes the perturbed image of each image of a sample, the same in every run.

    Workers get it, so it is a frozen dataclass that is small when pickled.
    """

    queries = 0  # Forward passes that it may take for an image.

    @property
    @abstractmethod
    def stem(self) -> str:
        """What names it, and a file of its own."""

    @abstractmethod
    def record(self, subject: Subject) -> dict[str, Any]:
        """What determines it, as ``settings["perturbation"]`` has it: JSON values."""

    @abstractmethod
    def groups(
        self, subject: Subject, positions: list[int], size: BatchSize, advance: Advance
    ) -> Iterator[tuple[list[int], Images]]:
        """The positions in groups, each with what gives its perturbed images."""


@dataclass(frozen=True)
class Corrupted(Perturbation):
    """A corruption, drawn as `measure_robustness` draws it."""

    name: str
    severity: int

    @property
    def stem(self) -> str:
        """See `Perturbation`."""
        return f"{self.name}-{self.severity}"

    def record(self, subject: Subject) -> dict[str, Any]:  # noqa: ARG002
        """See `Perturbation`."""
        return {"kind": "corruption", "name": self.name, "severity": self.severity}

    def groups(
        self,
        subject: Subject,
        positions: list[int],
        size: BatchSize,  # noqa: ARG002
        advance: Advance,  # noqa: ARG002
    ) -> Iterator[tuple[list[int], Images]]:
        """See `Perturbation`."""

        def image(position: int) -> NDArray[np.float32]:
            rng = generator(subject.seed, subject.keys[position], self.name, self.severity)
            return corrupt(subject.pixels(position), self.name, self.severity, rng)

        yield positions, image


@dataclass(frozen=True)
class Attacked(Perturbation):
    """An attack, drawn as `measure_robustness` draws it.

    `epsilon` None is the customary radius for the size of the images.
    """

    name: str
    epsilon: float | None
    queries: int

    @property
    def stem(self) -> str:
        """See `Perturbation`."""
        return self.name

    def _settled(self, subject: Subject) -> dict[str, Any]:
        radii = [] if self.epsilon is None else [self.epsilon]
        features = subject.classifier.form.features
        (settled,) = settled_attacks([self.name], radii, self.queries, features)
        return settled

    def record(self, subject: Subject) -> dict[str, Any]:
        """See `Perturbation`."""
        return {"kind": "attack", **self._settled(subject)}

    def groups(
        self, subject: Subject, positions: list[int], size: BatchSize, advance: Advance
    ) -> Iterator[tuple[list[int], Images]]:
        """See `Perturbation`."""
        scorer = Scorer(subject.classifier, subject.temperature, size)
        asked = self._settled(subject)
        for group in attacked_together(subject, positions):
            images = np.stack([subject.pixels(position) for position in group])
            targets = subject.targets[group]
            found = attack_images(subject, scorer, group, images, targets, asked, advance)
            yield group, dict(zip(group, found.images, strict=True)).__getitem__


def asked_perturbations(
    corruption: str | Sequence[str],
    severity: int | Sequence[int],
    attack: str | Sequence[str],
    epsilon: Sequence[float],
    queries: int,
) -> list[Perturbation]:
    """What is asked for: each corruption at each severity, then each attack.

    Raises
    ------
    UsageError
        Unknown names or severities, options that do not go together, or nothing at all.
    """
    attacks = check_attacks(attack, epsilon, queries)
    asked: list[Perturbation] = []
    if corruption:
        names, levels = asked_corruptions(corruption, severity or DEFAULT_SEVERITY)
        asked += [Corrupted(name, level) for name in names for level in levels]
    elif severity:
        raise UsageError(f"{option('severity')} goes with {option('corruption')}")
    radii: list[float | None] = list(epsilon) or [None]
    if len(radii) == 1:
        radii *= len(attacks)
    asked += [Attacked(*each, queries) for each in zip(attacks, radii, strict=True)]
    if not asked:
        raise UsageError(
            f"say what perturbs the images: {option('corruption', like='NAME')} or "
            f"{option('attack', like='NAME')}"
        )
    return asked

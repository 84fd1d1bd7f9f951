"""What perturbs the images of a sample: a corruption at a severity, an attack, or own pictures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..corruptions.corrupt import corrupt, generator
from ..errors import UsageError
from ..images.layouts import names_apart
from ..images.pairs import Pairs
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
_OF_ATTACK = ("name", "epsilon", "queries")


class Perturbation(ABC):
    """Makes the perturbed image of each image of a sample, the same in every run.

    Workers get it, so it is a frozen dataclass that is small when pickled.
    """

    queries = 0  # Forward passes that it may take for an image.
    place: Path | None = None  # Where its pictures lie, if it has some.

    @property
    @abstractmethod
    def stem(self) -> str:
        """What names it, and a file of its own."""

    @property
    @abstractmethod
    def record(self) -> dict[str, Any]:
        """What determines it, as ``settings["perturbation"]`` has it: JSON values."""

    def settled(self, subject: Subject) -> Perturbation:  # noqa: ARG002
        """The perturbation with what follows from model and sample, refused where it fits not."""
        return self

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

    @property
    def record(self) -> dict[str, Any]:
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

    def _attack(self, features: int) -> dict[str, Any]:
        """As a report of robustness holds it."""
        radii = [] if self.epsilon is None else [self.epsilon]
        (settled,) = settled_attacks([self.name], radii, self.queries, features)
        return settled

    def settled(self, subject: Subject) -> Attacked:
        """See `Perturbation`."""
        attack = self._attack(subject.classifier.form.features)
        return replace(self, epsilon=attack["epsilon"])

    @property
    def record(self) -> dict[str, Any]:
        """See `Perturbation`."""
        return {"kind": "attack", **{key: getattr(self, key) for key in _OF_ATTACK}}

    def groups(
        self, subject: Subject, positions: list[int], size: BatchSize, advance: Advance
    ) -> Iterator[tuple[list[int], Images]]:
        """See `Perturbation`."""
        scorer = Scorer(subject.classifier, subject.task(), size)
        asked = self._attack(subject.classifier.form.features)
        for group in attacked_together(subject, positions):
            images = np.stack([subject.pixels(position) for position in group])
            targets = subject.targets[group]
            found = attack_images(subject, scorer, group, images, targets, asked, advance)
            yield group, dict(zip(group, found.images, strict=True)).__getitem__


@dataclass(frozen=True)
class Paired(Perturbation):
    """Perturbed pictures of the user's own at a place; `pairs` is None before they are read."""

    name: str
    place: Path
    pairs: Pairs | None = None

    @classmethod
    def each(cls, places: Sequence[Path]) -> list[Paired]:
        """Those of several places; ones of one name are called by the folder they lie in too."""
        return [cls(*each) for each in zip(names_apart(places), places, strict=True)]

    @property
    def stem(self) -> str:
        """See `Perturbation`."""
        return self.name

    @property
    def record(self) -> dict[str, Any]:
        """See `Perturbation`."""
        assert self.pairs is not None
        return {"kind": "folder", "name": self.name, "digest": self.pairs.digest}

    def settled(self, subject: Subject) -> Paired:
        """See `Perturbation`."""
        images = len(subject.sample)
        subject.listener.note(
            f"{self.stem}: {images:,} perturbed pictures are read and compared with the clean ones"
        )
        pairs = Pairs.of(subject.sample, self.place, subject.request.reading.images)
        if pairs.unchanged == images:
            subject.listener.warning(
                f"{self.stem}: all of its pictures are the clean ones, pixel by pixel"
            )
        return replace(self, pairs=pairs)

    def groups(
        self,
        subject: Subject,
        positions: list[int],
        size: BatchSize,  # noqa: ARG002
        advance: Advance,  # noqa: ARG002
    ) -> Iterator[tuple[list[int], Images]]:
        """See `Perturbation`."""
        pairs = self.pairs
        assert pairs is not None
        yield positions, lambda position: subject.classifier.pixels(pairs.picture(position))


def asked_perturbations(
    corruption: str | Sequence[str],
    severity: int | Sequence[int],
    attack: str | Sequence[str],
    epsilon: Sequence[float],
    queries: int,
    perturbed: Sequence[Path],
) -> list[Perturbation]:
    """What is asked for: each corruption at each severity, then each attack, then own pictures.

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
    asked += Paired.each(perturbed)
    if not asked:
        raise UsageError(
            f"say what perturbs the images: {option('corruption', like='NAME')}, "
            f"{option('attack', like='NAME')} or {option('perturbed', like='FOLDER')}"
        )
    twice = [stem for stem, count in Counter(each.stem for each in asked).items() if count > 1]
    if twice:
        raise UsageError(f"two of the perturbations are called {twice[0]}; explain them one by one")
    return asked

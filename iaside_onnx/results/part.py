"""Parts of one sample that are audited apart, and what a report says about being one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ..errors import InvalidOption
from ..plurals import counted, plural
from ..storage import value_rules as rules

_COUNT = rules.whole(1, rules.MOST_COUNT)
_RECORD: dict[str, rules.Rule] = {
    "numbers": rules.each(_COUNT, rules.MOST_COUNT),
    "of": _COUNT,
    "images": _COUNT,
    "digest": rules.is_digest,
}
_ASKED = re.compile(r"([0-9]{1,9})/([0-9]{1,9})")


@dataclass(frozen=True)
class Part:
    """Some of the shards that a sample is dealt into, like cards: image n goes to shard n mod N.

    So every shard holds its share of every class, whatever order the images are in, and no two
    differ by more than one image.

    Attributes
    ----------
    numbers : tuple of int
        Which shards, from 1, ascending.
    of : int
        Into how many shards the sample is dealt.
    """

    numbers: tuple[int, ...]
    of: int

    def __str__(self) -> str:
        return (
            f"{plural(len(self.numbers), 'shard')} {', '.join(map(str, self.numbers))} of {self.of}"
        )

    @classmethod
    def asked(cls, text: str) -> Part:
        """The shard that I/N asks for, where I counts from 1; another text is an InvalidOption."""
        match = _ASKED.fullmatch(text.strip())
        if match is None:
            raise InvalidOption("shard", text, "give I/N, such as 1/4 for the first of four")
        number, of = map(int, match.groups())
        if not 1 <= number <= of:
            raise InvalidOption("shard", text, "shards count from 1 to N, so 1/N to N/N")
        return cls((number,), of)

    def positions(self, images: int) -> list[int]:
        """Positions of the part in a sample of `images`, ascending.

        Fewer images than shards are an InvalidOption.
        """
        if images < self.of:
            reason = f"the sample has {counted(images, 'image')}; take at most as many shards"
            raise InvalidOption("shard", self.option, reason)
        starts = {number - 1 for number in self.numbers}
        return [position for position in range(images) if position % self.of in starts]

    @property
    def option(self) -> str:
        """As it is asked for, such as "2/3"; several shards with commas."""
        return f"{','.join(map(str, self.numbers))}/{self.of}"

    @property
    def missing(self) -> list[int]:
        """Numbers of the shards that it lacks."""
        return sorted(set(range(1, self.of + 1)) - set(self.numbers))


@dataclass(frozen=True)
class PartOfSample:
    """What the report of a part says of the whole.

    Attributes
    ----------
    part : Part
    images : int
        In the whole sample.
    digest : str
        Of the whole sample's ids, labels and contents.
    """

    part: Part
    images: int
    digest: str

    def record(self) -> dict[str, Any]:
        """As ``run["shard"]`` holds it."""
        return {
            "numbers": list(self.part.numbers),
            "of": self.part.of,
            "images": self.images,
            "digest": self.digest,
        }


def part_of(report: Any) -> PartOfSample | None:
    """Which part of a sample a result holds; None for the whole.

    What cannot be is a WrongContentError.
    """
    record = report.run.get("shard")
    if record is None:
        return None
    _need(isinstance(record, dict) and all(rule(record.get(key)) for key, rule in _RECORD.items()))
    numbers, of, images = record["numbers"], record["of"], record["images"]
    # Bounded by the rows before anything is counted out: the numbers come from a stranger.
    rows = len(report.image_ids)
    _need(numbers == sorted(numbers) and numbers[-1] <= of <= images)
    _need(len(numbers) <= rows <= images)
    whole, rest = divmod(images, of)
    _need(rows == sum(whole + (number <= rest) for number in numbers))
    return PartOfSample(Part(tuple(numbers), of), images, record["digest"])


def _need(condition: bool) -> None:
    rules.need(condition, "attribute run holds no usable 'shard'")


def part_note(report: Any) -> str | None:
    """One line for readers of the result of a part; None for the whole."""
    whole = part_of(report)
    if whole is None:
        return None
    return (
        f"A part: {whole.part}, {len(report.image_ids)} of the sample's {whole.images} images; "
        "iaside merge joins the shards"
    )

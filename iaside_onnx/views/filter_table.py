"""What a filter gains and costs, on a terminal."""

from __future__ import annotations

from ..mathematics.paired import Difference
from ..results.filtering import FilterResult
from .terminal import table, terminal
from .text import number, one_line, percent, words

_NOTHING_TO_TAKE = 0.99


def print_filter(result: FilterResult) -> None:
    """The finding, what was tried, and what the held-out half says."""
    out = terminal()
    out.say(f"{one_line(result.sentence)}\n", bold=True)
    size = len(result.weights)
    gains = ", ".join(number(gain, 2) for _, gain in result.gain)
    out.say(
        f"Filter: {size} x {size} weights for every channel, strength {result.strength:g}. Gain at "
        f"strength 1, from frequency 0 to the highest: {gains}."
    )
    if min(gain for _, gain in result.gain) > _NOTHING_TO_TAKE:
        out.say("That is next to nothing: what is wrong here is not what a filter takes away.")
    out.say(f"\nTried on {result.choosing} images, right answers and mean probability:")
    rows = [
        [
            f"{each.strength:g}{' (chosen)' if each.strength == result.strength else ''}",
            *map(number, (each.clean, each.probability, each.perturbed)),
        ]
        for each in result.tried
    ]
    out.print(table(["strength"], ["clean", "of the true class", "perturbed"], rows, tight=True))
    out.say(f"Measured on {result.held_out} other images, right answers:")
    named = zip(map(words, result.against), result.effects, strict=True)
    effects = [("clean", result.clean_effect), *named]
    if len(result.against) > 1:
        effects.append(("all of them", result.effect))
    headings = ["without", "with", "difference", f"{percent(result.confidence)} interval"]
    held = [[name, *_cells(effect)] for name, effect in effects]
    out.print(table(["images"], headings, held, tight=True))


def _cells(effect: Difference) -> list[str]:
    low, high = (number(end, signed=True) for end in (effect.low, effect.high))
    return [
        number(effect.reference),
        number(effect.other),
        number(effect.difference, signed=True),
        f"{low} to {high}",
    ]

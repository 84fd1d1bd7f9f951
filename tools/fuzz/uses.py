"""What commands do with a file once it is read, beside sound files of the same model.

Each use may refuse with one line of ours; anything else is a failure, and so are control characters
on a terminal, markup in a page and numbers that are no JSON.
"""

from __future__ import annotations

import contextlib
import io
import json
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sound_files import (
    part,
    proven,
    sound_damage,
    sound_heatmap,
    sound_report,
    sound_robustness,
    sound_snr,
    sound_stand_ins,
)

from iaside_onnx.comparisons.baseline import summary
from iaside_onnx.comparisons.comparison import compare
from iaside_onnx.comparisons.correlation import correlate
from iaside_onnx.comparisons.gate import gate
from iaside_onnx.comparisons.prediction import predict_damage
from iaside_onnx.comparisons.shares import damage_shares
from iaside_onnx.errors import IasideError
from iaside_onnx.page.page import page
from iaside_onnx.results.damage import DamageReport
from iaside_onnx.results.heatmap import HeatmapReport
from iaside_onnx.results.merging import merge
from iaside_onnx.results.report import Report
from iaside_onnx.results.robustness import RobustnessReport
from iaside_onnx.results.snr import SnrReport
from iaside_onnx.results.stand_ins import StandInReport
from iaside_onnx.views.comparison_table import print_comparison
from iaside_onnx.views.correlation_table import print_correlation
from iaside_onnx.views.damage_comparison import print_damage_comparison
from iaside_onnx.views.damage_table import print_damage
from iaside_onnx.views.gate_output import junit, lines, markdown
from iaside_onnx.views.heatmap_table import print_heatmap
from iaside_onnx.views.plotting import save
from iaside_onnx.views.prediction_table import print_prediction
from iaside_onnx.views.report_table import print_report
from iaside_onnx.views.robustness_table import print_robustness
from iaside_onnx.views.snr_table import print_snr
from iaside_onnx.views.stand_in_table import print_shares, print_stand_ins

_MODELS = 5
# What a file name may be; it stands in pictures and pages too.
_NAME = "$\\frac{1}{0}$ <b> \x1b[2J"
Use = Callable[[Any, Path], object]


def show(report: Any) -> str:
    """Sum up and print; the summary as JSON."""
    summary = report.summary(per_class=True) if isinstance(report, Report) else report.summary()
    text = json.dumps(summary, allow_nan=False)
    _printed(lambda: _PRINTS[type(report)](report))
    return text


def use(report: Any, file: Path) -> str:
    """One of the uses, chosen by the file's content; its name."""
    uses = _USES[type(report)]
    chosen = uses[zlib.crc32(file.read_bytes()) % len(uses)]
    picture = file.with_name("picture.svg")
    picture.unlink(missing_ok=True)
    with contextlib.suppress(IasideError):  # whose messages are one line by construction
        _printed(lambda: chosen(report, picture))
    return chosen.__name__.strip("_")


def _printed(job: Callable[[], object]) -> None:
    """Run a job that prints; nothing may steer the terminal."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        job()
    strange = {mark for mark in out.getvalue() if not mark.isprintable() and mark != "\n"}
    if strange:
        raise AssertionError(f"printed {strange}")


def _picture(report: Report, picture: Path) -> None:
    save([report], picture, [_NAME])


def _class_map(report: Report, picture: Path) -> None:
    save([report], picture, [_NAME], None, "classes")


def _page(report: Report, _: Path) -> None:
    _check_page(page([report], [_NAME]))
    measured = sound_robustness()
    _check_page(page([report], [_NAME], robustness=[measured], baseline=measured, snr=sound_snr(1)))


def _check_page(text: str) -> None:
    if text.count("<script") != 1 or "<img src=x" in text or "\x1b" in text:
        raise AssertionError("the page holds markup from outside")


def _compare(report: Report, picture: Path) -> None:
    for pair in ([sound_report(0), report], [report, sound_report(2)], [report, report]):
        with contextlib.suppress(IasideError):
            found = compare(*pair, per_class=True, margin=0.02)
            json.dumps(found.summary(), allow_nan=False)
            print_comparison(found)
    save([compare(sound_report(0, 1), report)], picture)


def _gate(report: Report, _: Path) -> None:
    for given in ({}, {"baseline": sound_report(0), "max_drop": 0.1, "max_accuracy_drop": 0.1}):
        found = gate(report, min_score=0.1, min_accuracy=0.1, **given)  # type: ignore[arg-type]
        json.dumps(found.summary(), allow_nan=False)
        print("\n".join(lines(found)), markdown(found), junit(found))


def _merge(report: Report, picture: Path) -> None:
    from sound_files import shard

    merged = merge([report, shard(sound_report(4), 2)])
    merged.save(picture.with_suffix(".merged"), overwrite=True)
    show(merged)


def _join(report: Any, picture: Path) -> None:
    other = part(proven(_SOUND[type(report)]()), 2)
    merged = merge([report, other])
    merged.save(picture.with_suffix(".merged"), overwrite=True)
    show(merged)


def _correlate(report: Report | RobustnessReport, picture: Path) -> None:
    others: list[Report | RobustnessReport] = []
    for model in range(_MODELS):
        others += [sound_report(0, model), sound_robustness(0, model)]
    # Those of its own model make way for it.
    same = {type(report)}
    left = [o for o in others if not (type(o) in same and o.model["path"] == "m0.onnx")]
    found = correlate(report, *left, baseline=sound_robustness(0, 1))
    json.dumps(found.summary(), allow_nan=False)
    print_correlation(found)
    save([found], picture)


def _predict(report: Report | RobustnessReport | SnrReport, picture: Path) -> None:
    audit = report if isinstance(report, Report) else sound_report(0)
    measured = report if isinstance(report, RobustnessReport) else sound_robustness()
    noise = report if isinstance(report, SnrReport) else sound_snr(1)
    found = predict_damage(audit, noise)
    with contextlib.suppress(IasideError):
        found = found.beside(measured)
    json.dumps(found.summary(), allow_nan=False)
    print_prediction(found)
    save([found], picture)


def _heatmap_beside(report: Report | HeatmapReport, picture: Path) -> None:
    heat = report if isinstance(report, HeatmapReport) else sound_heatmap()
    audit = report if isinstance(report, Report) else sound_report(0)
    json.dumps(heat.summary(audit), allow_nan=False)
    print_heatmap(heat, audit)
    save([heat, sound_heatmap(1)], picture, [_NAME, "b"], [audit, None])


def _cell(report: Any, _: Path) -> None:
    _check_markup(report._repr_html_())
    print(repr(report))


def _check_markup(text: str) -> None:
    if "<script" in text or "<img src=x" in text:
        raise AssertionError("a cell holds markup from outside")


def _robustness_picture(report: RobustnessReport, picture: Path) -> None:
    save([report, sound_robustness()], picture, [_NAME, "b"])


def _against(report: RobustnessReport, _: Path) -> None:
    for ours, theirs in ((report, sound_robustness(0, 1)), (sound_robustness(0, 1), report)):
        json.dumps(summary(ours, theirs), allow_nan=False)
        print_robustness(ours, theirs)


def _robustness_page(report: RobustnessReport, _: Path) -> None:
    _check_page(page([sound_report(0)], robustness=[report], baseline=report))


def _snr_picture(report: SnrReport, picture: Path) -> None:
    save([report], picture)


def _snr_page(report: SnrReport, _: Path) -> None:
    _check_page(page([sound_report(0)], snr=report))


def _heatmap_picture(report: HeatmapReport, picture: Path) -> None:
    save([report], picture, [_NAME])


def _damage_page(report: DamageReport, _: Path) -> None:
    _check_page(page([], damages=[report, sound_damage()]))


def _damage_compare(report: DamageReport, picture: Path) -> None:
    for pair in ([sound_damage(0, 1), report], [report, sound_damage(1, 1)], [report, report]):
        with contextlib.suppress(IasideError):
            found: Any = compare(*pair)  # type: ignore[arg-type]
            json.dumps(found.summary(), allow_nan=False)
            print_damage_comparison(found)
            save([found], picture, overwrite=True)


def _damage_pictures(report: DamageReport, picture: Path) -> None:
    save([report, sound_damage()], picture, [_NAME, "b"])
    for kind in ("map", "together", "example"):
        with contextlib.suppress(IasideError):
            save([report], picture, [_NAME], None, kind, overwrite=True)


def _shares(report: StandInReport | RobustnessReport, picture: Path) -> None:
    made = report if isinstance(report, StandInReport) else sound_stand_ins()
    measured = report if isinstance(report, RobustnessReport) else sound_robustness()
    save([made], picture)
    shares = damage_shares(made, measured)
    json.dumps(shares.summary(), allow_nan=False)
    print_shares(shares)
    save([shares], picture)


_PRINTS: dict[type, Callable[[Any], None]] = {
    Report: lambda report: print_report(report, per_class=True),
    RobustnessReport: print_robustness,
    SnrReport: print_snr,
    HeatmapReport: print_heatmap,
    DamageReport: lambda report: print_damage(report, per_class=True),
    StandInReport: print_stand_ins,
}
_SOUND: dict[type, Callable[[], Any]] = {
    RobustnessReport: sound_robustness,
    SnrReport: sound_snr,
    HeatmapReport: sound_heatmap,
    DamageReport: sound_damage,
    StandInReport: sound_stand_ins,
}
_USES: dict[type, Sequence[Use]] = {
    Report: (
        _picture, _class_map, _page, _compare, _gate, _merge, _correlate, _predict,
        _heatmap_beside, _cell,
    ),
    RobustnessReport: (
        _robustness_picture, _against, _robustness_page, _correlate, _predict, _shares, _join,
    ),
    SnrReport: (_snr_picture, _snr_page, _predict, _join),
    HeatmapReport: (_heatmap_picture, _heatmap_beside, _join),
    DamageReport: (_damage_pictures, _damage_page, _damage_compare, _join),
    StandInReport: (_shares, _join),
}  # fmt: skip

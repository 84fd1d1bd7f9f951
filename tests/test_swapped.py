"""Pictures, models and finished rows that change while they are worked on are not vouched for."""

from __future__ import annotations

import re
from dataclasses import replace

import h5py
import numpy as np
import onnx
import pytest
from PIL import Image

import iaside_onnx as ia
from iaside_onnx.errors import ArtifactError, DataError, IasideError, ReportError
from iaside_onnx.onnx_file.artifact import read_artifact
from iaside_onnx.recipe_search.search import search_recipes

from . import graphs
from .conftest import write_npz
from .dying import dies
from .sets import samples, write_tar

JOBS = {
    "analyze": (ia.analyze, {"bands": 3, "absence": "zero"}),
    "robustness": (
        ia.measure_robustness,
        {"corruption": ["fog"], "severity": [1], "queries": 9, "attack_samples": 0},
    ),
    "heatmap": (ia.measure_heatmap, {"bands": 2}),
    "search": (search_recipes, {}),
}
WORDS = r"class1/2.png: is not the picture that was read before"


def same(report, other):
    for name in {"log_prob", "wrong", "change"} & set(vars(report)):
        np.testing.assert_array_equal(getattr(report, name), getattr(other, name))


@pytest.fixture
def model(tmp_path):
    return graphs.small_network(tmp_path / "m.onnx")


def other_picture(path):
    picture = np.random.default_rng(1).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(picture).save(path.with_suffix(".new"), path.suffix[1:])
    path.with_suffix(".new").replace(path)


def at_start(change):
    """A listener that changes something when the long part begins."""
    return ia.Listener(start=lambda *_: change())


@pytest.mark.parametrize("job", JOBS)
def test_a_picture_that_is_replaced_meanwhile_is_named(tmp_path, model, photographs, job):
    work, options = JOBS[job]
    swap = at_start(lambda: other_picture(photographs / "class1" / "2.png"))
    target = tmp_path / "r.h5"
    if job == "search":
        with pytest.raises(DataError, match=WORDS):
            work(model, photographs, listener=swap, samples=12)
        return
    with pytest.raises(DataError, match=WORDS):
        work(model, photographs, target, listener=swap, **options)
    assert not target.exists()
    # What was evaluated before is kept, for these pictures alone.
    with pytest.raises(ReportError, match="other images"):
        work(model, photographs, target, resume=True, **options)


@pytest.mark.parametrize("attack", [None, "square-linf"])
def test_snr_compares_pictures_too(tmp_path, model, photographs, attack):
    target = tmp_path / "s.h5"
    options = {"corruption": ["fog"], "severity": [1], "bands": 2}
    listener, done = at_start(lambda: other_picture(photographs / "class1" / "2.png")), []
    if attack is not None:
        options |= {"attack": attack, "model": model, "epsilon": 0.1, "queries": 9}

        def swap(work):
            done.append(work)
            if sum(done) == 12:  # all are corrupted, and the attack begins
                other_picture(photographs / "class1" / "2.png")

        listener = ia.Listener(advance=swap)
    with pytest.raises(DataError, match=WORDS):
        ia.measure_snr(photographs, target, listener=listener, **options)
    assert not target.exists()


def test_a_partner_is_compared_and_arrays_and_shards_are(tmp_path, model, photographs):
    images = np.random.default_rng(2).integers(0, 256, (6, 16, 16, 3), dtype=np.uint8)
    data, labels = tmp_path / "d.npz", np.arange(6) % 4
    files = sorted(photographs.rglob("*.png"))
    contents, shard = [file.read_bytes() for file in files], tmp_path / "d.tar"

    def arrays(pixels):
        write_npz(data, pixels, labels)

    arrays(images)
    write_tar(shard, samples(contents, [0] * 12))
    for source, change, words in (
        # One image alone is evaluated in this part: its partner is any of the others.
        (data, lambda: arrays(np.where(np.arange(6)[:, None, None, None], images + 1, images)),
         r"image 0000000[1-5]: is not"),
        (shard, lambda: write_tar(shard, samples([contents[0]] * 12, [0] * 12)), "is not"),
    ):  # fmt: skip
        with pytest.raises(DataError, match=words):
            ia.analyze(
                model, source, bands=2, absence="replace", shard="1/6", listener=at_start(change)
            )


def test_the_command_ends_in_one_line(tmp_path, model, photographs, iaside, monkeypatch):
    target = tmp_path / "r.h5"
    tell = at_start(lambda: other_picture(photographs / "class1" / "2.png"))
    monkeypatch.setattr("iaside_onnx.views.terminal.listener", lambda **_: tell)
    result = iaside("analyze", model, photographs, "-o", target, "--bands", 2)
    assert (result.exit_code, result.stdout) == (2, "")
    assert re.fullmatch(f"Error: image {WORDS}.*\n", result.stderr)
    assert not target.exists()


def external(path, seed=0):
    """A network whose weights lie in a file of their own, which the runtime maps."""
    graphs.small_network(path, seed=seed)
    onnx.save(
        onnx.load(path), path, save_as_external_data=True, location="weights", size_threshold=100
    )
    return path


def test_a_model_that_changes_between_hash_and_session_is_refused(tmp_path, monkeypatch):
    path = graphs.small_network(tmp_path / "m.onnx")
    other = graphs.small_network(tmp_path / "o.onnx", seed=1).read_bytes()
    data = write_npz(tmp_path / "d.npz", np.zeros((2, 16, 16, 3), np.uint8), [0, 1])

    def described(*arguments):
        found = read_artifact(arguments[0])
        path.write_bytes(other)
        return found

    with monkeypatch.context() as patched:
        patched.setattr("iaside_onnx.inference.classifier.describe", described)
        with pytest.raises(ArtifactError, match=r"m.onnx: the model was changed while"):
            ia.analyze(path, data, bands=2)
    # Once it is opened its file is of no more use: a new export may take its place.
    before = read_artifact(path).sha256
    again = at_start(lambda: graphs.small_network(path, seed=3))
    assert ia.analyze(path, data, bands=2, listener=again).model["sha256"] == before


@pytest.mark.parametrize("job", ["analyze", "robustness", "heatmap"])
def test_external_data_are_watched_as_long_as_they_are_mapped(tmp_path, photographs, job):
    path, target = external(tmp_path / "m.onnx"), tmp_path / "r.h5"
    weights, (work, options) = tmp_path / "weights", JOBS[job]
    content = weights.read_bytes()
    # Touched, but as it was.
    undisturbed = work(path, photographs, **options)
    work(path, photographs, listener=at_start(lambda: weights.write_bytes(content)), **options)

    def spoil():
        with weights.open("r+b") as file:
            file.write(bytes(64))

    with pytest.raises(ArtifactError, match=r"m.onnx: the model was changed while"):
        work(path, photographs, target, listener=at_start(spoil), **options)
    assert not target.exists()
    weights.write_bytes(content)
    report = work(path, photographs, target, resume=True, **options)
    same(report, undisturbed)


def damaged(partial, rows):
    """Change values of rows in place; the rows that were finished."""
    with h5py.File(partial, "r+") as file:
        table = file["game/log_prob"]
        done = np.flatnonzero(file["game/row_sums"][:].any(axis=1))
        for row in done[rows]:
            table[row, 1] = -0.001
    return done


class StoppedError(Exception):
    """Ends a job in the middle, as far as its file on disk goes."""


def stops(work, *paths, after, **options):
    done = 0

    def advance(passes):
        nonlocal done
        done += passes
        if done >= after:
            raise StoppedError

    with pytest.raises(StoppedError):
        work(*paths, listener=ia.Listener(advance=advance), **options)


@pytest.mark.parametrize("job", ["killed", "analyze", "robustness", "heatmap"])
def test_damaged_rows_are_evaluated_again(tmp_path, job):
    count, size = (48, 32) if job == "killed" else (24, 16)
    rng = np.random.default_rng(8)
    images = rng.integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    data = write_npz(tmp_path / "d.npz", images, np.arange(count) % 4)
    model = graphs.small_network(tmp_path / "m.onnx", size=size)
    target, partial = tmp_path / "r.h5", tmp_path / "r.h5.partial"
    work, options = JOBS["analyze" if job == "killed" else job]
    options = {**options, "threads": 1, "batch": 8}
    if job == "killed":
        options["bands"] = 8
        assert dies("analyze", model, data, target, after=1500, pause=0.001, **options)
    else:
        stops(work, model, data, target, after={"analyze": 64}.get(job, 150), **options)
    done = damaged(partial, [0, 2])
    assert len(done) >= 3
    assert partial.exists() != target.exists()
    told = []
    report = work(model, data, target, resume=True, listener=ia.Listener(warn=told.append),
                  **options)  # fmt: skip
    assert [line for line in told if "2 finished rows damaged" in line]
    assert report.run["warnings"] == told
    same(report, work(model, data, **options))


def test_rows_that_change_under_way_are_not_sealed(tmp_path, model, photographs):
    target, partial = tmp_path / "r.h5", tmp_path / "r.h5.partial"
    spoil = ia.Listener(stop=lambda: damaged(partial, [1]))
    with pytest.raises(ReportError, match=r"was changed by something else .*resume=True"):
        ia.analyze(model, photographs, target, bands=2, listener=spoil)
    assert not target.exists()
    report = ia.analyze(model, photographs, target, bands=2, resume=True)
    np.testing.assert_array_equal(report.log_prob, ia.analyze(model, photographs, bands=2).log_prob)


def test_rows_without_checksums_are_not_taken(tmp_path, model, photographs):
    target, partial = tmp_path / "r.h5", tmp_path / "r.h5.partial"
    stop = at_start(lambda: (photographs / "class1" / "2.png").unlink())
    kept = (photographs / "class1" / "2.png").read_bytes()
    with pytest.raises(IasideError):
        ia.analyze(model, photographs, target, bands=2, listener=stop)
    (photographs / "class1" / "2.png").write_bytes(kept)
    sound = partial.read_bytes()
    with h5py.File(partial, "r+") as file:
        del file["game/row_sums"]
    with pytest.raises(ReportError, match=r"carry no checksums.*overwrite=True"):
        ia.analyze(model, photographs, target, bands=2, resume=True)
    partial.write_bytes(sound)
    ia.analyze(model, photographs, target, bands=2, resume=True)


def test_pictures_that_decode_otherwise_do_not_go_on(tmp_path, model, photographs, monkeypatch):
    target = tmp_path / "r.h5"
    stop = at_start(lambda: other_picture(photographs / "class3" / "2.png"))
    kept = (photographs / "class3" / "2.png").read_bytes()
    with pytest.raises(DataError):
        ia.analyze(model, photographs, target, bands=2, listener=stop)
    (photographs / "class3" / "2.png").write_bytes(kept)
    with monkeypatch.context() as patched:
        patched.setattr("iaside_onnx.images.fingerprints.pixel_digest", lambda _: bytes(32))
        with pytest.raises(ReportError, match="decode to other pixels now"):
            ia.analyze(model, photographs, target, bands=2, resume=True)
    assert replace(ia.analyze(model, photographs, target, bands=2, resume=True)).exact

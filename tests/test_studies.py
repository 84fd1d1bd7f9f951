"""Commands of the studies: what is lacking is said in one line, and nothing is made of it."""

from __future__ import annotations

import sys

import pytest

from tools.studies import zoo_pictures, zoo_reports
from tools.studies.imagenet import __main__ as imagenet
from tools.studies.settings import __main__ as settings


@pytest.mark.parametrize(
    ("study", "words"),
    [
        (imagenet, "table --out"), (settings, "table"), (zoo_pictures, ""), (zoo_reports, "table"),
    ],
)  # fmt: skip
def test_a_folder_that_is_not_there_is_one_line(study, words, tmp_path, monkeypatch, capsys):
    lacking = tmp_path / "none"
    monkeypatch.setattr(sys, "argv", ["study", *words.split(), str(lacking)])
    with pytest.raises(SystemExit) as ended:
        study.main()
    said = capsys.readouterr().err if ended.value.code == 2 else str(ended.value)
    assert str(lacking) in said
    assert not lacking.exists()


def test_a_damaged_file_of_measurements_is_one_line(tmp_path, monkeypatch):
    damaged = tmp_path / "measured.npz"
    damaged.write_bytes(b"PK\x03\x04" + bytes(996))
    monkeypatch.setattr(imagenet, "FILE", damaged)
    monkeypatch.setattr(sys, "argv", ["study", "table"])
    with pytest.raises(SystemExit, match=r"^Error: an .npz file .* is damaged"):
        imagenet.main()

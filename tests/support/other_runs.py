"""Runs of another trainer, and what a report says of them."""

from jaxtune.report.__main__ import main

SCORES = {
    "wd=0": [0.5, 0.5, 0.5, 0.5, 0.62, 0.5, 0.5, 0.5, 0.5],
    "wd=0.1": [0.7, 0.72, 0.71, 0.74, 0.7, 0.72, 0.73, 0.7, 0.71],
}


def runs():
    for arm, scores in SCORES.items():
        for seed, score in enumerate(scores):
            yield arm, seed, score


def said(capsys, *words, status=0):
    assert main(list(map(str, words))) == status
    found = capsys.readouterr()
    return found.err if status else found.out

"""The miniature's task, like CoLA: is the sentence grammatical?"""

from functools import cache

from jaxtune.data.examples import Dataset, Examples, Layout, Task
from jaxtune.data.miniature import language

TRAIN_EXAMPLES, TRAIN_SEED = 1000, 7
DEV_EXAMPLES, DEV_SEED = 300, 8


@cache
def read_miniature() -> Dataset:
    """1,000 training and 300 dev sentences, 60% of them acceptable; the same every time."""
    labels = ("unacceptable", "acceptable")
    task = Task(
        name="miniature",
        text_columns=("sentence",),
        label_names=labels,
        metrics=("accuracy", "matthews"),
        layout=Layout(text=("sentence",), label="label", labels=labels),
    )
    train, dev = (
        Examples(sentences, None, labels)
        for sentences, labels in (
            language.acceptability(TRAIN_EXAMPLES, TRAIN_SEED),
            language.acceptability(DEV_EXAMPLES, DEV_SEED),
        )
    )
    return Dataset(task, train, dev, files=())

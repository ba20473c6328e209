"""What every test of pre-training has: a small corpus."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def few_sentences():
    from jaxtune.data import corpus as corpus_module

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpus_module, "MINIATURE_SENTENCES", 4000)
        yield

"""What tests of tokenizers share."""

import pytest
from tokenizer_folders import REAL, folder_named


@pytest.fixture
def folder_of(tmp_path, request):
    """The folder of a tokenizer by name; the real ones need the real data."""

    def folder(name):
        real = request.getfixturevalue("real_data") if name in REAL else None
        return folder_named(name, tmp_path, real)

    return folder

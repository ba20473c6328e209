"""Tokenizers of families whose published files are not among the test data: small ones of the same
make, from the words of some texts.
"""

import collections
import math
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import Unigram

# The first words of a vocabulary, which fairseq puts before SentencePiece's own, or DeBERTa's.
FIRST = {
    "deberta-v2": ["[PAD]", "[CLS]", "[SEP]", "[UNK]"],
    "xlm-roberta": ["<s>", "<pad>", "</s>", "<unk>"],
    "camembert": ["<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>", "<unk>NOTUSED", "<s>", "</s>"],
}
SPECIAL = {"deberta-v2": ("[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]")}
MARK = "\u2581"  # SentencePiece's beginning of a word


def write_sentence_pieces(folder: Path, family: str, texts: Iterable[str], size: int) -> int:
    """A tokenizer.json as XLM-RoBERTa, CamemBERT or DeBERTa has it: so many frequent words, and
    single characters.

    Returns the number of words in all.
    """
    counts = collections.Counter(word for text in texts for word in text.split())
    words = [MARK, *(MARK + word for word, _ in counts.most_common(size))]
    letters = sorted({letter for word in counts for letter in word})
    special = SPECIAL.get(family, ("<s>", "</s>", "<pad>", "<unk>", "<mask>"))
    first, last, _, unk, mask = special
    pieces = [*FIRST[family], *dict.fromkeys([*words, *letters]), mask]
    scores = [0.0 if p[0] == unk[0] else -math.log(2 + i) for i, p in enumerate(pieces)]
    unknown = pieces.index(unk)
    vocabulary = list(zip(pieces, scores, strict=True))
    made = Tokenizer(Unigram(vocabulary, unk_id=unknown, byte_fallback=False))
    made.normalizer = normalizers.NFKC()
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Metaspace(replacement=MARK, prepend_scheme="always"),
        ]
    )
    made.decoder = decoders.Metaspace(replacement=MARK)
    made.post_processor = processors.TemplateProcessing(
        single=f"{first} $A {last}",
        pair=(
            f"{first} $A {last} $B:1 {last}:1"
            if family in SPECIAL
            else f"{first} $A {last} {last} $B {last}"
        ),
        special_tokens=[(token, pieces.index(token)) for token in (first, last)],
    )
    made.add_special_tokens(list(special))
    made.save(str(folder / "tokenizer.json"))
    return len(pieces)


def write_mpnet_vocabulary(folder: Path, bert: Path) -> int:
    """MPNet's vocab.txt: four words of its own before BERT's, and its mask after them."""
    words = (bert / "vocab.txt").read_text(encoding="utf-8").splitlines()
    words = ["<s>", "<pad>", "</s>", "<unk>", *words, "<mask>"]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    return len(words)

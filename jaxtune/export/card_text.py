"""What a model card says: the card, how its parameters were chosen, and how to use them."""

from jaxtune.core.failure import MEANING

CARD = """\
---
{front_matter}---

# {base} on {task}: {what}

{encoder} encoder {base} with a head for {goal}, fine-tuned and exported by jaxtune {version}\
{random_weights}. Drawn anew by every trial, and trained from there: {drawn}.{notes}

## Scores

{scores}

On the {num_dev} {unit} of the dev set; the best constant prediction has {metric} \
{trivial}.{reading}

## How it was chosen

{how}

## How stable the recipe is

{trials}; {metric} after the last step.

{spread}

Failed: {meaning}; std over seeds (ddof 1); the interval is Wilson's, of the failure rate.

{expected_best}

Expected {metric} {when} of the best of so many trials, over all ways to choose them from these \
(Dodge et al. 2021).

## Recipe

{recipe}

## Use

{use}

## Base model and licence

Base model: {base}. This card states no licence: those of the base model and of the data apply to \
what is made from them; look them up before you pass this on.
"""

HOW_BEST = """\
The best of {among}, by {metric} on the dev set. **It was chosen on the data that it is reported \
on, so its score is too good**: expect less on new data, and compare it with what the best of \
{so_many} is expected to score (below{arms}), never with the mean of another recipe."""
HOW_NAMED = "Named by its number, by whoever exported it."
HOW_FAILED = f"""\
{HOW_NAMED} **This trial failed**: it is {MEANING}."""
HOW_MEMBER = "A member of an ensemble of {members} trials; not chosen by its own score."
HOW_TRIAL = """\
{how}

Parameters {step}; seeds: {seeds}."""
HOW_ENSEMBLE = """\
Every trial of its arm that did not fail or end early ({members} of {size}). Nothing else was \
chosen, but that is judged on the dev set, so the scores above, the members' too, are somewhat too \
good. The ensemble's answer is the mean of the members' logits{geometric}. {step}

{table}"""
HOW_SOUP = """\
This is the **{chosen}** soup: the mean of the weights of the trials below. Uniform takes every \
trial of its arm that did not fail or end early ({members} of {size}); greedy goes through them \
from the best to the worst on the dev set and keeps each that does not worsen the dev score of the \
mean (Wortsman et al. 2022). The better one on the dev set is exported, the uniform one where they \
are equal. **These choices were made on the data that the scores are of, so the scores are too \
good**: expect less on new data.

{start} {step}

{table}"""
OWN_START = """\
All trials started from one encoder, but their fresh parts ({fresh}) from {heads} different \
initialisations, whose mean need not mean anything: compare the scores with a single trial's."""
SAME_START = "All trials started from the same parameters."
PARAMETERS_OF = {
    "final": "The parameters are those after the last step.",
    "best": "The parameters are those of each trial's best evaluation on the {where}.",
}

USE = """\
```python
from transformers import {auto}, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("FOLDER")
model = {auto}.from_pretrained("FOLDER")
inputs = tokenizer({example}, truncation=True, padding=True, return_tensors="pt")
logits = model(**inputs).logits
```

The tokenizer cuts at {max_length} tokens, as in training{rounded}.{answer}"""
USE_ADAPTERS = """\
```python
from peft import PeftModel
from transformers import {auto}, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("FOLDER")
base = {auto}.from_pretrained(
    "{base}", num_labels={num_labels}, dtype="float32", ignore_mismatched_sizes=True
)
model = PeftModel.from_pretrained(base, "FOLDER").eval()
inputs = tokenizer({example}, truncation=True, padding=True, return_tensors="pt")
logits = model(**inputs).logits
```

The folder holds adapters and a head alone: the base model's weights are read as float32, as in \
training, and its own head, which may be of another size, is not used. The classes are, in the \
order of the logits: {classes}. The tokenizer cuts at {max_length} tokens, as in \
training{rounded}.{answer}"""
USE_ADAPTERS_ENSEMBLE = """\
Each folder of a member is one as its own card describes, all of them on one base model; the \
answer is the mean of their {mean_of}. The tokenizer cuts at {max_length} tokens, as in \
training{rounded}.{answer}"""
MERGED = "Adapters (LoRA) were trained beside the frozen encoder, and are merged into its weights."
BESIDE = "Adapters (LoRA) were trained beside the frozen encoder."
USE_ENSEMBLE = """\
```python
from pathlib import Path

import torch
from transformers import {auto}, AutoTokenizer

members = sorted(Path("FOLDER").glob("member_*"))
tokenizer = AutoTokenizer.from_pretrained(members[0])
inputs = tokenizer({example}, truncation=True, padding=True, return_tensors="pt")
with torch.no_grad():
    models = map({auto}.from_pretrained, members)
    logits = torch.stack([model(**inputs).logits{shares} for model in models]).mean(0){back}
```

The tokenizer cuts at {max_length} tokens, as in training{rounded}.{answer} An answer costs \
as much as one of each member."""
SEVERAL_LABELS = (
    " A text has the labels whose logit is above 0, which are those whose probability"
    " `logits.sigmoid()` is above one half; it may have none."
)
TAGS = (
    " A word has the tag of its first token, whose logits are the largest; `inputs.word_ids(i)`"
    " says which word of text i each token is of."
)
ROUNDED = (
    "; the scores above are those of bfloat16 products, and float32 ones differ by their rounding"
)

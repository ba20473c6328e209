"""Habits from elsewhere that are refused: names of transformers, lists with commas, 1_0, a value
twice and what counts for nothing; and what the sentence says.
"""

from bad_settings import CUSTOM, SETS

# Status 2: the whole sentence after `error: `.
USAGE_SLIPS = [
    ("--eval_steps 9", "--eval_steps is no flag; did you mean --eval_every?"),
    ("--bf16", "--bf16 is no flag; did you mean --precision?"),
    (
        "--per-device-train-batch-size 8",
        "--per-device-train-batch-size is no flag; did you mean --batch_size?",
    ),
    *(
        (
            f"--grid.learning_rate {given}",
            f"--grid.learning_rate is {bad!r}; give several with spaces between: {several}",
        )
        for given, bad, several in (
            ("1e-5,2e-5", "1e-5,2e-5", "1e-5 2e-5"),
            ("[1e-5,2e-5]", "[1e-5,2e-5]", "1e-5 2e-5"),
            ("[1e-5, 2e-5]", "[1e-5,", "1e-5"),
        )
    ),
    ("--num_seeds 1_0", "--num_seeds is '1_0'; give a whole number."),
    ("--learning_rate 1_0e-5", "--learning_rate is '1_0e-5'; give a number."),
    (
        "--num_seeds 8 --seeds 0-1",
        "num_seeds and seeds are both given, and num_seeds would count for nothing; leave one of"
        " them out.",
    ),
]
# Status 1.
FLAG_SLIPS = [
    ("--grid.learning_rate 1e-5 0.00001", "grid.learning_rate has 1e-05 twice; give each once."),
    ("--grid.schedule linear linear", "grid.schedule has linear twice; give each once."),
    (f"{CUSTOM} --classes a,b", "each once, and none that is empty, with spaces between: a b."),
    (f"{SETS} --label_columns a,b", "of two or more labels, with spaces between: a b."),
    ("--lora_rank 8 --lora_targets query,value", "or all, with spaces between: query value."),
]
YAML_SLIPS = [
    ("learning_rate: 1_0", ", line 1: learning_rate is '1_0'; give a number."),
    ("learning_rate: 1_0.5", ", line 1: learning_rate is '1_0.5'; give a number."),
    ("num_epochs: 1_0", ", line 1: num_epochs is '1_0'; give a whole number."),
    ("num_train_epochs: 3", ", line 1: num_train_epochs is no field; did you mean num_epochs?"),
]

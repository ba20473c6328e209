"""Settings that are refused, as they contradict each other or are out of range: flags, and what
the sentence says.
"""

COUNTS = (
    "num_seeds max_seeds num_epochs batch_size max_length log_every max_steps eval_every"
    " train_examples"
)
ARMS = "--grid.bias_correction true false --until_decided"
POSITIVE = ("learning_rate", "adam_eps", "max_grad_norm")
RATES = ("adam_b1", "adam_b2", "ema_decay", "dropout", "label_smoothing")
CUSTOM = "--task custom --train_file a.csv --dev_file b.csv"
SETS = f"{CUSTOM} --several_labels true"
TAGS = f"{CUSTOM} --token_classification true"

# Status 1: contradictions and values out of range.
FLAGS = [
    (
        "--revision main",
        "revision is 'main', but the model 'miniature' is a folder and not of the hub; leave",
    ),
    ("--model a/b@v1", "no hub id; give a revision apart, as --model a/b --revision v1."),
    ("--model a/b@", "no hub id; give a revision apart, as --model a/b --revision main."),
    *((f"--{name} 0", f"{name} is 0; give a number of at least 1") for name in COUNTS.split()),
    *((f"--{name} -3", f"{name} is -3; give a number of at least 1") for name in COUNTS.split()),
    *(
        (f"--{name} {value}", f"{name} is {float(value)}; give a finite number above 0")
        for name in POSITIVE
        for value in ("0", "-1", "nan", "inf", "-inf", "1e39")
    ),
    *(
        (
            f"--{name} {value}",
            f"{name} is {value}; give a finite number above 1.2e-38, the smallest",
        )
        for name in POSITIVE
        for value in ("1e-60", "1e-39")
    ),
    *(
        (f"--{name} {value}", f"{name} is {float(value)}; give a rate from 0 up to")
        for name in RATES
        for value in ("1", "-0.1", "nan", "2", "0.9999999999")
    ),
    *(
        (f"--weight_decay {value}", f"weight_decay is {float(value)}; give a finite number")
        for value in ("-1", "nan", "inf")
    ),
    *(
        (f"--warmup_ratio {value}", f"warmup_ratio is {float(value)}; give a share of all steps")
        for value in ("1.1", "-0.1", "nan")
    ),
    *(
        (f"--class_weights={value}", f"class_weights is {value!r}; give balanced, or a number for")
        for value in ("1_0,2", "Balanced", "1,", "1;2", ",", "a,b")
    ),
    *(
        (f"--class_weights=1,{value}", f"which holds {float(value)}; give finite numbers above 0")
        for value in ("0", "-1", "nan", "inf", "1e-60", "1e39")
    ),
    (
        "--class_weights 1,2,3",
        "class_weights is '1,2,3', but there are 2 classes ('unacceptable', 'acceptable'); give a",
    ),
    ("--grid.class_weights null 1", "class_weights is '1', but there are 2 classes"),
    ("--trials_per_device 0", "trials_per_device is 0; give a number of at least 1"),
    ("--stratify true", "stratify is given without train_examples; say how many"),
    (
        "--stratify true --train_examples 1",
        "train_examples is 1, but there are 2 classes to draw from; give at least that",
    ),
    (
        "--grid.max_length 64 128",
        "grid.max_length is 64, 128, but the model has 16 positions, so that several would be",
    ),
    (f"{ARMS} --shard 1/2", "shard and until_decided are both given, but the verdict that it"),
    ("--max_seeds 64", "max_seeds is 64, which is read with until_decided alone; give --until"),
    ("--until_decided", "until_decided compares arms, and there is one; sweep a field, such as"),
    (
        f"{ARMS} --num_seeds 128",
        "until_decided begins with num_seeds 128 and ends at max_seeds 128; give a smaller",
    ),
    (f"{ARMS} --max_seeds 1000001", "max_seeds is 1000001; give at most 1,000,000."),
    *(
        (f"{ARMS} {flags}", f"until_decided and {name} are both given, and it adds seeds of its")
        for name, flags in (
            ("seeds", "--seeds 0-7"),
            ("init_seeds", "--init_seeds 0-3 --order_seeds 0-3"),
            ("keep_trials", "--early_stop 0.5 --keep_trials 2"),
        )
    ),
    ("--patience 0", "patience is 0; give a number of at least 1"),
    (
        "--patience 3 --early_stop 0.5 --keep_trials 2",
        "patience and keep_trials are both given; a trial stops by one of them",
    ),
    *(
        (
            f"--patience 3 --save_params {kind}",
            f"save_params is '{kind}', but with patience the last",
        )
        for kind in ("final", "all")
    ),
    *(
        (f"--dev_fraction {share}", f"dev_fraction is {float(share)}; give a share of the training")
        for share in ("0", "1", "-0.1", "nan", "1.5")
    ),
    (
        "--dev_fraction 0.0001",
        "dev_fraction is 0.0001, which holds out 0 examples with fewer than two distinct labels",
    ),
    (
        "--dev_fraction 0.9999",
        "dev_fraction is 0.9999, which holds out 1,000 examples of 1,000 and leaves too few to",
    ),
    ("--dev_fraction 0.99", "batch_size 16 is larger than the 10 training examples"),
    ("--dev_fraction_seed -1", "dev_fraction_seed is -1; give a number of at least 0"),
    ("--subset_seed -1", "subset_seed is -1; give a number of at least 0"),
    ("--num_seeds 9999999999", "num_seeds is 9999999999; give at most 1,000,000"),
    ("--num_epochs 10001", "num_epochs is 10001; give at most 10,000."),
    (f"--max_steps 1{'0' * 30}", f"max_steps is 1{'0' * 30}; give at most 10,000,000."),
    ("--data_dir GLUE", "data_dir is given, but the packaged miniature has its data with it; give"),
    ("--grid.data_dir A B", "data_dir is given, but the packaged miniature has its data with it"),
    (
        "--grid.lora_rank 0 8 --grid.lora_alpha 8 16",
        "The arms [lora_rank=0 lora_alpha=8.0] and [lora_rank=0 lora_alpha=16.0] would train the",
    ),
    ("--out \udcff", "out is '\\udcff', which is no UTF-8; give another name."),
    ("--model null", "model is not given; model and task go together"),
    ("--task null", "task is not given; model and task go together"),
    # Whoever mends the one mistake named is not told of another that was there as well.
    ("--until_decided --seeds 0-9 --max_seeds 16", "until_decided and seeds are both given"),
    ("--patience 2 --keep_trials 2", "keep_trials is given without early_stop"),
    (
        "--task custom --train_file a.csv --dev_file b.csv --label_columns a a",
        "label_columns is given, which belongs to --several_labels true",
    ),
    ("--task squad", "The task 'squad' is unknown; accepted are rte, mrpc"),
    ("--task ../../x", "The task '../../x' is unknown"),
    *(
        (f"--{name} {'x' * 256}", f"{name} has a part of more than 255 bytes")
        for name in ("model", "out", "data_dir")
    ),
    ("--task custom", "Task custom needs --train_file and --dev_file"),
    ("--task custom --train_file a.csv", "Task custom needs --train_file and --dev_file"),
    ("--train_file a.csv", "train_file is given, which task miniature does not read"),
    ("--task rte --dev_file a.csv", "dev_file is given, which task rte does not read"),
    ("--task rte --text_columns a b", "text_columns is given, which task rte does not read"),
    ("--task rte --regression true", "regression is given, which task rte does not read"),
    ("--classes a b", "classes is given, which task miniature does not read"),
    ("--test_file a.csv", "test_file is given, which task miniature does not read"),
    ("--task rte --more_dev_files a=b", "more_dev_files is given, which task rte does not read"),
    ("--predict_test", "predict_test is given, but task miniature has no test split"),
    (f"{CUSTOM} --predict_test", "predict_test is given, which is for a benchmark's test split"),
    (f"{CUSTOM} --more_dev_files a.csv", "more_dev_files has 'a.csv'; give NAME=FILE"),
    (f"{CUSTOM} --more_dev_files =a.csv", "more_dev_files has '=a.csv'; give NAME=FILE"),
    (f"{CUSTOM} --more_dev_files a=", "more_dev_files has 'a='; give NAME=FILE"),
    (f"{CUSTOM} --more_dev_files a/b=c.csv", "more_dev_files has 'a/b=c.csv'; give NAME=FILE"),
    (f"{CUSTOM} --more_dev_files {'a' * 101}=c.csv", "the name of at most 100 letters, digits and"),
    (f"{CUSTOM} --more_dev_files Test=c.csv", "has the name 'Test', which is taken"),
    *(
        (f"{CUSTOM} --more_dev_files {name}=c.csv", f"has the name '{name}', which is taken")
        for name in ("dev", "train", "held_out", "predictions", "grad_norm")
    ),
    (f"{CUSTOM} --more_dev_files a=b.csv A=c.csv", "has the name 'A', which is taken"),
    (f"{CUSTOM} --test_file {'x' * 256}", "test has a part of more than 255 bytes"),
    ("--task boolq", "Task boolq needs --data_dir: the folder with SuperGLUE's own"),
    ("--task boolq --data_dir /none", "/none/BoolQ/train.jsonl does not exist: pass as data_dir"),
    ("--task rte --delimiter ;", "delimiter is given, which task rte does not read"),
    ("--task rte --quoting false", "quoting is given, which task rte does not read"),
    (f"{CUSTOM} --classes a", "classes are 'a'; give at least two, each once"),
    (f"{CUSTOM} --classes a b a", "classes are 'a', 'b', 'a'; give at least two, each once"),
    (f"{CUSTOM} --regression true --classes 1 2", "classes is given, but with regression"),
    (
        f"{CUSTOM} --regression true --train_examples 9 --stratify true",
        "stratify is given, but with regression the labels are numbers",
    ),
    (f"{CUSTOM} --delimiter ab", "delimiter is 'ab'; give one character, but no quote or line end"),
    (f'{CUSTOM} --delimiter "', "delimiter is '\"'; give one character, but no quote"),
    (
        "--task custom --train_file a.jsonl --dev_file b.json --quoting true",
        "quoting is given, which only .csv and .tsv files have; leave it out",
    ),
    (f"{CUSTOM} --data_dir glue", "data_dir is given, but task custom reads"),
    (f"{CUSTOM} --text_columns a b c", "text_columns names 3 columns: name one or two"),
    ("--task rte --several_labels true", "several_labels is given, which task rte does not read"),
    (f"{CUSTOM} --label_columns a b", "label_columns is given, which belongs to --several_labels"),
    (f"{SETS} --regression true", "regression is given, which is not for texts with several"),
    (f"{SETS} --class_weights balanced", "class_weights is given, which is not for texts with"),
    (f"{SETS} --label_smoothing 0.1", "label_smoothing is given, which is not for texts with"),
    (f"{SETS} --grid.label_smoothing 0 0.1", "label_smoothing is given, which is not for texts"),
    (f"{SETS} --positive_class a", "positive_class is given, which is not for texts with several"),
    (
        f"{SETS} --train_examples 9 --stratify true",
        "stratify is given, which is not for texts with several labels; leave it or several_labels",
    ),
    (f"{SETS} --label_columns a", "label_columns names 'a'; give a column for each of two or more"),
    (f"{SETS} --label_columns a a", "text_columns and label_columns name a column twice"),
    (f"{SETS} --label_columns a text", "name a column twice (text, a, text)"),
    (f"{SETS} --label_columns a b|c", "The label 'b|c' has a |, which parts labels"),
    (f"{SETS} --classes a b|c", "The label 'b|c' has a |, which parts labels"),
    (f"{SETS} --classes a b --label_columns a b", "classes and label_columns are both given"),
    (f"{SETS} --label_column y --label_columns a b", "label_column and label_columns are both"),
    (
        "--task rte --token_classification true",
        "token_classification is given, which task rte does",
    ),
    *(
        (f"{TAGS} --{given}", f"{given.split()[0]} is given, which is not for token classification")
        for given in (
            *("regression true", "several_labels true"),
            *("positive_class a", "delimiter ;", "quoting true"),
        )
    ),
    (
        f"{TAGS} --train_examples 9 --stratify true",
        "stratify is given, which is not for token classification; leave it or",
    ),
    (
        f"{TAGS} --label_columns a b",
        "label_columns is given, which belongs to --several_labels true",
    ),
    (f"{TAGS} --text_columns a b", "text_columns names 2 columns, and with token_classification"),
    (f"{CUSTOM} --text_columns a a", "name a column twice (a, a, label)"),
    (f"{CUSTOM} --text_columns label", "name a column twice (label, label)"),
    ("--init_seeds 0-3", "init_seeds and order_seeds are crossed with each other"),
    ("--order_seeds 0-3", "init_seeds and order_seeds are crossed with each other"),
    ("--seeds 1 --init_seeds 1 --order_seeds 1", "seeds and init_seeds contradict each other"),
    ("--dropout_seeds 1", "dropout_seeds belong to a crossed design"),
    *(
        (f"--seeds={seeds}", f"Seeds {seeds!r} cannot be read at")
        for seeds in ("gibberish", ",", "1,,2", "1-", "-1", "1--2", "1.5", "0x1", "\u0663")
    ),
    ("--seeds 5-3", "hold the empty range '5-3'"),
    ("--seeds 4294967296", "hold 4294967296; the largest seed is 4294967295"),
    ("--seeds 0-4294967295", "hold more than 1,000,000 numbers"),
    ("--init_seeds 0-9999 --order_seeds 0-9999", "The seeds make 100,000,000 trials"),
    ("--init_seeds 1 --order_seeds a", "Seeds 'a' cannot be read at 'a'"),
    ("--init_seeds 1 --order_seeds 1 --dropout_seeds 1.5", "cannot be read at '1.5'"),
    ("--grid.warmup_ratio 0.1 2", "warmup_ratio is 2.0; give a share"),
    ("--grid.learning_rate 1e-5 -1", "learning_rate is -1.0; give a finite number above 0"),
    ("--config nowhere.yaml", "cannot read nowhere.yaml (No such file or directory)"),
    (
        "--batch_size 1001",
        "batch_size 1001 is larger than the 1,000 training examples; give at most that",
    ),
    ("--train_examples 1001", "train_examples is 1001, but there are 1,000 training examples"),
    (
        "--train_examples 1 --batch_size 1",
        "training examples that subset_seed 0 draws (1) have a single label",
    ),
    ("--train_examples 8", "batch_size 16 is larger than the 8 training examples"),
    ("--max_length 2", "max_length is 2; this tokenizer needs at least 3"),
    ("--model /no/such/folder", "There is no folder /no/such/folder"),
    ("--model ./no-such-folder", "There is no folder ./no-such-folder"),
    ("--model ../../no-such-x", "There is no folder ../../no-such-x"),
    ("--model a/b/c", "There is no folder a/b/c"),
    ("--task rte --data_dir /none", "/none/RTE/train.tsv does not exist: pass as data_dir"),
    ("--task custom --train_file /none.csv --dev_file b.csv", "cannot read /none.csv (No such"),
    ("--task custom --train_file a.txt --dev_file b.csv", "a.txt has an unknown suffix"),
    (
        "--task custom --train_file /dev/x.xlsx --dev_file b.csv",
        "/dev/x.xlsx has an unknown suffix",
    ),
]

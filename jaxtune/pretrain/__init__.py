"""`python -m jaxtune.pretrain`: masked-LM pre-training of a small encoder."""

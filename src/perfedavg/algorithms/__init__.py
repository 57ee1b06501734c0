"""Client updates, server optimizers and the federated runs made of them."""

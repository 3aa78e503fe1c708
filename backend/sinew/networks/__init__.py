"""Published networks, written from their published facts, for weights that the user brings. PyTorch loads only here."""

"""Option chains, and the smiles that fit them."""

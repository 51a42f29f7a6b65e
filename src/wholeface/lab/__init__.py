"""How WholeFace came about and how good it is; nothing that reconstructs imports from here."""

"""One module or folder per protocol, named as the word behind ``wholeface bench``."""

"""``python -m wholeface.app.cli``: the command without its script."""

import sys

from .command import main

sys.exit(main())

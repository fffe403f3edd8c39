"""`python -m freehold` is `freehold`."""

from __future__ import annotations

import sys

from freehold.cli.main import main

sys.exit(main())

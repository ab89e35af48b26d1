"""`python -m ms_gan` is `ms-gan`."""

import sys

from ms_gan.cli import main

sys.exit(main())

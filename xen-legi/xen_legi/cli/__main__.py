"""python3 -m xen_legi.cli: the program from a checkout."""

import sys

from xen_legi.cli import main

sys.exit(main())

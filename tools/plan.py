"""The name that users of OpenMMLab look for; see `localsup plan`."""

import sys

from localsup_mm.cli.main import main

if __name__ == '__main__':
    main(['plan', *sys.argv[1:]])

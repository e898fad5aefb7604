"""The name that users of OpenMMLab look for; see `localsup test`."""

import sys

from localsup_mm.cli.main import main

if __name__ == '__main__':
    main(['test', *sys.argv[1:]])

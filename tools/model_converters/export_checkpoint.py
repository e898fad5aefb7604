"""The name that users of OpenMMLab look for; see `localsup export`."""

import sys

from localsup_mm.cli.main import main

if __name__ == '__main__':
    main(['export', *sys.argv[1:]])

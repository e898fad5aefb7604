"""The name that users of OpenMMLab look for; see `localsup localize`."""

import sys

from localsup_mm.cli.main import main

if __name__ == '__main__':
    main(['localize', *sys.argv[1:]])

"""The name that users of OpenMMLab look for; see `localsup train`."""

import sys

from localsup_mm.cli.main import main

if __name__ == '__main__':
    main(['train', *sys.argv[1:]])

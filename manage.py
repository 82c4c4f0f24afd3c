#!/usr/bin/env python
"""Django's command line for this project."""

import gc
import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billing_portal.settings")
    if "migrate" in sys.argv[1:2]:
        gc.disable()  # looking for garbage among the many states of a migration is a sixth of its time
    execute_from_command_line(sys.argv)

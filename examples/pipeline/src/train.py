"""What runs in both images."""

import os

import humanize
from tabulate import tabulate

print(tabulate([[os.environ["STAGE"], humanize.intcomma(1234567)]], headers=["stage", "rows"]))

"""
Profiles of hypothesis, chosen by HYPOTHESIS_PROFILE.

`suite` (default): the same examples in every run, no files written.  `quick`: a few of
them.  `explore`: new and many ones.
"""

import os

from hypothesis import HealthCheck
from hypothesis import settings

COMMON = {'deadline': None, 'suppress_health_check': [HealthCheck.too_slow]}
settings.register_profile('suite', max_examples=40, derandomize=True, **COMMON)
settings.register_profile('quick', max_examples=8, derandomize=True, **COMMON)
settings.register_profile('explore', max_examples=1500, print_blob=True, **COMMON)
settings.load_profile(os.environ.get('HYPOTHESIS_PROFILE', 'suite'))

"""Plans of frames: typed expressions and relations, and their form in SQL.

This package depends on Arrow only. It knows neither pandas nor a cluster: :mod:`partita.dataframe` builds plans with the
meaning of pandas, and sends them.
"""

from __future__ import annotations

"""Client of the Firn feature store.

    import firn

    store = firn.connect("http://127.0.0.1:7070")
    snapshot = store.snapshot("fraud.v1", spine, name="churn-may")
    snapshot.to_pandas()                      # one row for each of the spine's, in its order
    store.lookup("fraud.v1", {"customer_id": [42, 43]}).to_pylist()

What travels is Arrow; pandas and Polars are converted at the edges where they are installed.
"""

from ._client import Client, Lookup, Push, Snapshot, Verification, connect
from ._errors import FirnError, FirnWarning
from ._evaluate import eval

__all__ = ["Client", "FirnError", "FirnWarning", "Lookup", "Push", "Snapshot", "Verification", "connect", "eval"]
__version__ = "0.1.0"

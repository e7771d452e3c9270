"""Client of the Firn feature store.

    import firn

    store = firn.connect("http://127.0.0.1:7070")
    snapshot = store.snapshot("fraud.v1", spine, name="churn-may")
    snapshot.to_pandas()                      # one row for each of the spine's, in its order
    store.lookup("fraud.v1", {"customer_id": [42, 43]}).to_pylist()

What travels is Arrow; pandas and Polars are converted at the edges where they are installed.
"""

from ._client import Client, Import, Push, connect
from ._errors import FirnError, FirnWarning
from ._evaluate import eval
from ._lookup import Lookup
from ._snapshot import Snapshot, Verification
from ._tables import to_pandas
from ._version import version

__all__ = ["Client", "FirnError", "FirnWarning", "Import", "Lookup", "Push", "Snapshot", "Verification", "connect", "eval", "to_pandas"]
__version__ = version

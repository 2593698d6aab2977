from ssvif.api import fuse as fuse
from ssvif.api import load_model as load_model

__version__: str

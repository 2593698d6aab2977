from ssvif.api import fuse as fuse
from ssvif.api import load_model as load_model
from ssvif.frames.fuser import Fuser as Fuser

__version__: str

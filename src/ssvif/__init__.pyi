from ssvif.fusing.api import fuse as fuse
from ssvif.fusing.api import load_model as load_model
from ssvif.fusing.fuser import Fuser as Fuser

__version__: str

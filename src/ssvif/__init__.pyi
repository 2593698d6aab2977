from ssvif.fusing.api import fuse as fuse
from ssvif.fusing.api import load_model as load_model
from ssvif.fusing.fuser import Fuser as Fuser
from ssvif.io.errors import UserError as UserError

__version__: str

"""Models whose memory the engine is asked about: real shapes, in files that hold a header and nothing else."""

from tests.shapes.dense import DENSE
from tests.shapes.experts import EXPERTS
from tests.shapes.mixed import MIXED
from tests.shapes.model import Model
from tests.shapes.more_dense import MORE_DENSE
from tests.shapes.states import STATES

MODELS: tuple[Model, ...] = (*DENSE, *MORE_DENSE, *EXPERTS, *STATES, *MIXED)

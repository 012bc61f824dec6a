"""How values are learned."""

from .fit import Fit as Fit, fit as fit
from .gradients import GradCheck as GradCheck, check_grads as check_grads
from .health import Health as Health, health as health
from .multistart import Multistart as Multistart, multistart as multistart
from .optim import SGD as SGD, Adam as Adam, Optimizer as Optimizer
from .weights import load_params as load_params, save_params as save_params

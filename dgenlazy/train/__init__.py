"""How values are learned."""

from .optim import SGD as SGD, Adam as Adam, Optimizer as Optimizer

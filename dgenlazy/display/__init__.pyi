from ..ship import live as live
from .comparison import Comparison as Comparison, compare as compare
from .drawing import Drawing as Drawing, graph as graph
from .parameters import Parameters as Parameters, parameters as parameters
from .player import player as player
from .plots import PLOTS as PLOTS, Kind as Kind, plot as plot, training as training
from .response import Response as Response, filter_response as filter_response
from .text import describe as describe, html as html

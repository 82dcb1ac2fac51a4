"""Results as the researcher holds them."""

from hansa.client.results.competing import CompetingView
from hansa.client.results.control_arm import ControlArmView
from hansa.client.results.correlation import CorrelationView
from hansa.client.results.counted import CrosstabView, FlowView, HistogramView
from hansa.client.results.cox import CoxFit
from hansa.client.results.descriptions import Description, Table1View
from hansa.client.results.effect import EffectView
from hansa.client.results.fine_gray import FineGrayFit
from hansa.client.results.glm import GlmFit
from hansa.client.results.lmm import LmmFit
from hansa.client.results.meta import MetaView
from hansa.client.results.reading import read_outcome, read_sites
from hansa.client.results.sites import SitesView
from hansa.client.results.stages import StagesView
from hansa.client.results.subgroups import SubgroupsView
from hansa.client.results.survival import SurvivalView
from hansa.client.results.validation import ValidationView
from hansa.client.results.view import View

__all__ = [
    "CompetingView",
    "ControlArmView",
    "CorrelationView",
    "CoxFit",
    "CrosstabView",
    "Description",
    "EffectView",
    "FineGrayFit",
    "FlowView",
    "GlmFit",
    "HistogramView",
    "LmmFit",
    "MetaView",
    "SitesView",
    "StagesView",
    "SubgroupsView",
    "SurvivalView",
    "Table1View",
    "ValidationView",
    "View",
    "read_outcome",
    "read_sites",
]

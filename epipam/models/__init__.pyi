# What other rooms and users may use of this room; each name is imported when it is asked for.
from .attention import (
    position_attention as position_attention,
    position_scores as position_scores,
)
from .calibration import (
    METHODS as METHODS,
    ProbabilityMap as ProbabilityMap,
    fit_isotonic as fit_isotonic,
    fit_platt as fit_platt,
    read_map as read_map,
    write_map as write_map,
)
from .card import (
    write_card as write_card,
)
from .catalogue import (
    MODELS as MODELS,
    find_model as find_model,
)
from .embedding import (
    embeds as embeds,
    initialise_embeddings as initialise_embeddings,
)
from .epipam import (
    Epipam as Epipam,
    EpipamConfig as EpipamConfig,
)
from .first_convolution import (
    KMER as KMER,
    KmerConvolution as KmerConvolution,
    kmer_codes as kmer_codes,
)
from .first_layer import (
    FirstLayer as FirstLayer,
    KernelActivations as KernelActivations,
)
from .folder import (
    CALIBRATION_FILE as CALIBRATION_FILE,
    CONFIG_FILE as CONFIG_FILE,
    HUB_PREFIX as HUB_PREFIX,
    RUN_MODEL as RUN_MODEL,
    WEIGHTS_FILE as WEIGHTS_FILE,
    is_on_hub as is_on_hub,
    model_record as model_record,
    trained_on_simulated as trained_on_simulated,
)
from .hub import (
    push_model as push_model,
)
from .kmer_gbm import (
    KmerGbm as KmerGbm,
)
from .logits import (
    logits_of as logits_of,
    probabilities as probabilities,
)
from .network import (
    NO_ATTENTION as NO_ATTENTION,
    Logits as Logits,
    Network as Network,
)
from .onehot import (
    base_digits as base_digits,
    unpack as unpack,
)
from .pairwise import (
    Anchors as Anchors,
    Pairwise as Pairwise,
)
from .places import (
    BundledModel as BundledModel,
    bundled_models as bundled_models,
    local_folder as local_folder,
)
from .registry import (
    create_model as create_model,
    load_model as load_model,
    model_config as model_config,
    model_name as model_name,
    read_config as read_config,
    save_model as save_model,
)
from .weights import (
    require_finite as require_finite,
)

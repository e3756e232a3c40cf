"""The patch encoders: names and facts, without importing torch. A new encoder is one more entry here.

Facts come from the encoders' model cards. ``input_size_px`` and the normalisation are those of the weights.
"""

from dataclasses import dataclass

from utils.lookup import require_choice

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
NO_RESIZE = -1


@dataclass(frozen=True)
class EncoderSpec:
    """What is known of an encoder before it is built.

    Attributes:
        name: what ``--model_name`` takes.
        family: the module of this package that builds it.
        dim: numbers in a feature.
        input_size_px: the short side that patches are resized to; -1: as they are.
        mean, std: normalisation of RGB in 0 to 1; None: takes bytes.
        architecture: timm's or the package's name of the network.
        options: arguments for building it.
        hub_id: where the weights are published.
        hub_file: the file of weights there.
        env_var: environment variable that names a local file of weights.
        open_weights: whether the hub gives them to anyone.
        licence: of the weights.
    """

    name: str
    family: str
    dim: int
    input_size_px: int = 224
    mean: tuple[float, float, float] | None = IMAGENET_MEAN
    std: tuple[float, float, float] | None = IMAGENET_STD
    architecture: str = ""
    options: tuple[tuple[str, object], ...] = ()
    hub_id: str = ""
    hub_file: str = ""
    env_var: str = ""
    open_weights: bool = False
    licence: str = ""


ENCODERS = {
    spec.name: spec
    for spec in (
        EncoderSpec(
            name="resnet50_trunc",
            family="timm",
            dim=1024,
            architecture="resnet50.tv_in1k",
            options=(("features_only", True), ("out_indices", (3,))),
            hub_id="timm/resnet50.tv_in1k",
            hub_file="model.safetensors",
            open_weights=True,
            licence="BSD-3-Clause",
        ),
        EncoderSpec(
            name="uni_v1",
            family="timm",
            dim=1024,
            architecture="vit_large_patch16_224",
            options=(("init_values", 1e-5), ("num_classes", 0), ("dynamic_img_size", True)),
            hub_id="MahmoodLab/UNI",
            hub_file="pytorch_model.bin",
            env_var="UNI_CKPT_PATH",
            licence="CC-BY-NC-ND-4.0",
        ),
        EncoderSpec(
            name="conch_v1",
            family="conch",
            dim=512,
            mean=CLIP_MEAN,
            std=CLIP_STD,
            architecture="conch_ViT-B-16",
            hub_id="MahmoodLab/conch",
            hub_file="pytorch_model.bin",
            env_var="CONCH_CKPT_PATH",
            licence="CC-BY-NC-ND-4.0",
        ),
        EncoderSpec(
            name="handcrafted",
            family="handcrafted",
            dim=99,
            input_size_px=NO_RESIZE,
            mean=None,
            std=None,
            licence="Apache-2.0",
        ),
    )
}


def find_encoder(name: str) -> EncoderSpec:
    """Return the encoder of that name, or raise a UsageError that lists the known ones."""
    return ENCODERS[require_choice(name, list(ENCODERS), kind="encoder")]

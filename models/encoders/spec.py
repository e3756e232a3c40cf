"""What is known of an encoder before it is built: a record of facts, without importing torch."""

from dataclasses import dataclass

Rgb = tuple[float, float, float]
Options = tuple[tuple[str, object], ...]

HUB = "https://huggingface.co"
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
NO_RESIZE = -1
REVISION_MARK = "@"
UM_PER_PX_20X, UM_PER_PX_10X = 0.5, 1.0


@dataclass(frozen=True)
class EncoderSpec:
    """What is known of an encoder before it is built.

    Attributes:
        name: what ``--model_name`` takes.
        family: which module of this package builds it.
        architecture: the library's name of the network.
        options: arguments for building it.
        dim: numbers in a feature; 0: known when built.
        pooling: how tokens become a feature: a key of ``pooling.POOLINGS``.
        num_prefix_tokens: tokens before those of patches (class and registers).
        input_size_px: side of the network's input.
        resize_px: the short side that patches are resized to before a crop; -1: as they are.
        crop: cut ``input_size_px`` from the middle after resizing; otherwise patches keep their shape.
        interpolation: of the resize, "bilinear" or "bicubic".
        mean, std: normalisation of RGB in 0 to 1; None: takes bytes.
        patch_size_px, mpp: patches that suit it, and µm in one of their pixels.
        autocast: number format on a GPU: "fp32", "fp16" or "bf16".
        hub_id: where the weights are published, on ``HUB``.
        hub_file: the file of weights there.
        revision: commit of the hub; "" where none is pinned, and once built where it is not known.
        source: address of the weights or the code, where it is not ``hub_id``.
        gated: whether access has to be asked for.
        licence: of the weights.
        env_var: environment variable that names a local file of weights.
        unused: beginnings of names in the published file that lie beyond the encoder.
        trust_remote_code: whether it is built by code from the hub.
        needs: what to install beyond the base, as pip names it.
        note: what a user should know.
    """

    name: str
    family: str
    architecture: str = ""
    options: Options = ()
    dim: int = 0
    pooling: str = "cls"
    num_prefix_tokens: int = 1
    input_size_px: int = 224
    resize_px: int = 224
    crop: bool = True
    interpolation: str = "bilinear"
    mean: Rgb | None = IMAGENET_MEAN
    std: Rgb | None = IMAGENET_STD
    patch_size_px: int = 256
    mpp: float = UM_PER_PX_20X
    autocast: str = "fp32"
    hub_id: str = ""
    hub_file: str = "model.safetensors"
    revision: str = ""
    source: str = ""
    gated: bool = False
    licence: str = ""
    env_var: str = ""
    unused: tuple[str, ...] = ()
    trust_remote_code: bool = False
    needs: str = ""
    note: str = ""

    @property
    def plain_name(self) -> str:
        """The name without the revision, which says less of the features than the hash of the weights."""
        return self.name.partition(REVISION_MARK)[0]

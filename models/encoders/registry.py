"""The patch encoders: names and facts, without importing torch. A new encoder is one more entry here.

Facts come from the encoders' model cards and from public programs that load them. A ``*`` in a note marks what none of
these says: it is to be checked when the weights load. Several names share weights where projects call different
features by one name; then the name says what the features are.
"""

from dataclasses import dataclass

from utils.errors import UsageError
from utils.lookup import require_choice

Rgb = tuple[float, float, float]
Options = tuple[tuple[str, object], ...]

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
HALF_MEAN, HALF_STD = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
NO_RESIZE = -1
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
        hub_id: where the weights are published, on https://huggingface.co.
        hub_file: the file of weights there.
        revision: commit of the hub, "" where none is pinned.
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
    gated: bool = False
    licence: str = ""
    env_var: str = ""
    unused: tuple[str, ...] = ()
    trust_remote_code: bool = False
    needs: str = ""
    note: str = ""

    @property
    def open_weights(self) -> bool:
        """Whether the hub gives the weights to anyone."""
        return bool(self.hub_id) and not self.gated


def _vit(**more: object) -> Options:
    """Return timm's options of a vision transformer without a classifier."""
    return (("num_classes", 0), *more.items())


def _spec(name: str, family: str, architecture: str, dim: int, **facts) -> EncoderSpec:  # type: ignore[no-untyped-def]
    """Return an entry; patches are resized to the network's input unless ``resize_px`` says otherwise."""
    facts.setdefault("resize_px", facts.get("input_size_px", 224))
    return EncoderSpec(name=name, family=family, architecture=architecture, dim=dim, **facts)


# ---- what several entries share: shapes of networks, then preprocessing and licences ----

VIT_SWIGLU = {"mlp_layer": "SwiGLUPacked", "act_layer": "silu"}
DINO_VIT = _vit(dynamic_img_size=True)
SCALED_VIT = _vit(init_values=1e-5, dynamic_img_size=True)
VIRCHOW = _vit(img_size=224, init_values=1e-5, mlp_ratio=5.3375, dynamic_img_size=True, **VIT_SWIGLU)
VIRCHOW2 = (*VIRCHOW, ("reg_tokens", 4))
UNI2 = _vit(
    img_size=224, patch_size=14, depth=24, num_heads=24, embed_dim=1536, init_values=1e-5, mlp_ratio=2.66667 * 2,
    no_embed_class=True, reg_tokens=8, dynamic_img_size=True, **VIT_SWIGLU,
)  # fmt: skip
GIGAPATH = _vit(
    img_size=224, patch_size=16, depth=40, num_heads=24, embed_dim=1536, init_values=1e-5, mlp_ratio=5.33334
)
HOPTIMUS = _vit(img_size=224, init_values=1e-5)
H0_MINI = _vit(img_size=224, init_values=1e-5, mlp_ratio=2.66667 * 2, **VIT_SWIGLU)
DINOV2_AT_224 = _vit(img_size=224, init_values=1e-5)
KAIKO_L14 = _vit(img_size=518, init_values=1e-5, dynamic_img_size=True)
HF_VIT_L = (("hidden_size", 1024), ("num_hidden_layers", 24), ("num_attention_heads", 16))
HF_VIT_G = (("hidden_size", 1536), ("num_hidden_layers", 40), ("num_attention_heads", 24), ("use_swiglu_ffn", True))
HIBOU = (("patch_size", 14), ("image_size", 224), ("num_register_tokens", 4))
MEDSIGLIP = (
    ("hidden_size", 1152), ("intermediate_size", 4304), ("num_hidden_layers", 27), ("num_attention_heads", 16),
    ("patch_size", 14), ("image_size", 448),
)  # fmt: skip
GEMMA_26B = (
    ("hidden_size", 1152), ("intermediate_size", 4304), ("num_hidden_layers", 27), ("num_attention_heads", 16),
    ("num_key_value_heads", 16), ("head_dim", 72), ("standardize", True),
)  # fmt: skip

CLIP = {"mean": CLIP_MEAN, "std": CLIP_STD}
HALF = {"mean": HALF_MEAN, "std": HALF_STD}
HOPTIMUS_NORM = {"mean": (0.707223, 0.578729, 0.703617), "std": (0.211883, 0.230117, 0.177517)}
HIBOU_NORM = {"mean": (0.7068, 0.5755, 0.722), "std": (0.195, 0.2316, 0.1816)}
GENBIO_NORM = {"mean": (0.697, 0.575, 0.728), "std": (0.188, 0.240, 0.187)}
LUNIT_NORM = {"mean": (0.70322989, 0.53606487, 0.66096631), "std": (0.21716536, 0.26081574, 0.20723464)}
README_INPUT = {"crop": False}  # as the original: the short side becomes 224, and nothing is cut off
BICUBIC = {"interpolation": "bicubic"}
AT_224 = {"patch_size_px": 224}
AT_448 = {"input_size_px": 448, "patch_size_px": 512}
AT_384 = {"input_size_px": 384, "patch_size_px": 384}
FP16, BF16 = {"autocast": "fp16"}, {"autocast": "bf16"}

ND = {"gated": True, "licence": "CC-BY-NC-ND-4.0"}
APACHE = {"licence": "Apache-2.0"}
MIT = {"licence": "MIT"}
BIN = {"hub_file": "pytorch_model.bin"}
TRANSFORMERS = {"needs": "transformers"}
OPEN_CLIP = {"needs": "open_clip_torch"}
DINO_HEADS = ("mask_token", "dino_head.", "ibot_head.", "head.")
CLIP_TEXT = ("text_model.", "text_projection", "logit_scale", "vision_model.embeddings.position_ids")
OPEN_CLIP_TEXT = (
    "text.", "transformer.", "token_embedding.", "ln_final.", "positional_embedding", "text_projection", "logit_scale",
    "logit_bias", "attn_mask", "text_decoder.",
)  # fmt: skip
GEMMA_REST = ("language_model.", "audio_tower.", "embed_vision.", "embed_audio.", "lm_head.", "multi_modal_projector.")

UNVERIFIED_HUB = "* the network is taken from other projects; hf-hub:{} builds it from the hub's own config.json"

# fmt: off
_SPECS = (
    # ---- those of the README ----
    _spec("resnet50_trunc", "timm", "resnet50.tv_in1k", 1024, options=(("features_only", True), ("out_indices", (3,))),
          pooling="gap", **README_INPUT, hub_id="timm/resnet50.tv_in1k", licence="BSD-3-Clause",
          unused=("layer4.", "fc."), note="ImageNet; averaged over the third block's map"),
    _spec("uni_v1", "timm", "vit_large_patch16_224", 1024, options=SCALED_VIT, **README_INPUT, **FP16,
          hub_id="MahmoodLab/UNI", **BIN, **ND, env_var="UNI_CKPT_PATH"),
    _spec("conch_v1", "conch", "conch_ViT-B-16", 512, options=(("proj_contrast", False),), pooling="embedding",
          **README_INPUT, **CLIP, patch_size_px=512, hub_id="MahmoodLab/conch", **BIN, **ND, env_var="CONCH_CKPT_PATH",
          needs="git+https://github.com/mahmoodlab/CONCH", note="at 224 px as the original; 448 px: conch_v1-448"),
    EncoderSpec("handcrafted", "handcrafted", dim=99, pooling="", input_size_px=NO_RESIZE, resize_px=NO_RESIZE,
                crop=False, mean=None, std=None, hub_file="", **APACHE, note="stain and texture, no weights"),

    # ---- timm ----
    _spec("uni_v2", "timm", "vit_giant_patch14_224", 1536, options=UNI2, num_prefix_tokens=9, **BF16,
          hub_id="MahmoodLab/UNI2-h", **BIN, **ND),
    _spec("gigapath", "timm", "vit_giant_patch14_dinov2", 1536, options=GIGAPATH, resize_px=256, **BICUBIC, **FP16,
          hub_id="prov-gigapath/prov-gigapath", **BIN, gated=True, **APACHE),
    _spec("virchow", "timm", "vit_huge_patch14_224", 2560, options=VIRCHOW, pooling="cls+mean", **BICUBIC, **FP16,
          **AT_224, hub_id="paige-ai/Virchow", **BIN, gated=True, **APACHE),
    _spec("virchow-cls", "timm", "vit_huge_patch14_224", 1280, options=VIRCHOW, **BICUBIC, **FP16, **AT_224,
          hub_id="paige-ai/Virchow", **BIN, gated=True, **APACHE, note="STAMP's virchow"),
    _spec("virchow2", "timm", "vit_huge_patch14_224", 2560, options=VIRCHOW2, pooling="cls+mean", num_prefix_tokens=5,
          **BICUBIC, **FP16, **AT_224, hub_id="paige-ai/Virchow2", **BIN, **ND),
    _spec("virchow2-cls", "timm", "vit_huge_patch14_224", 1280, options=VIRCHOW2, num_prefix_tokens=5, **BICUBIC,
          **FP16, **AT_224, hub_id="paige-ai/Virchow2", **BIN, **ND, note="STAMP's and eva's virchow2"),
    _spec("hoptimus0", "timm", "vit_giant_patch14_reg4_dinov2", 1536, options=HOPTIMUS, num_prefix_tokens=5,
          **HOPTIMUS_NORM, **FP16, **AT_224, hub_id="bioptimus/H-optimus-0", **BIN, gated=True, **APACHE,
          note="bilinear, as TRIDENT and STAMP"),
    _spec("hoptimus0-bicubic", "timm", "vit_giant_patch14_reg4_dinov2", 1536, options=HOPTIMUS, num_prefix_tokens=5,
          **BICUBIC, **HOPTIMUS_NORM, **FP16, **AT_224, hub_id="bioptimus/H-optimus-0", **BIN, gated=True, **APACHE,
          note="as LazySlide"),
    _spec("hoptimus1", "timm", "vit_giant_patch14_reg4_dinov2", 1536, options=HOPTIMUS, num_prefix_tokens=5,
          **HOPTIMUS_NORM, **FP16, **AT_224, hub_id="bioptimus/H-optimus-1", **ND,
          note="bilinear, as TRIDENT and STAMP"),
    _spec("hoptimus1-bicubic", "timm", "vit_giant_patch14_reg4_dinov2", 1536, options=HOPTIMUS, num_prefix_tokens=5,
          **BICUBIC, **HOPTIMUS_NORM, **FP16, **AT_224, hub_id="bioptimus/H-optimus-1", **ND, note="as LazySlide"),
    _spec("h0-mini", "timm", "vit_base_patch14_reg4_dinov2", 768, options=H0_MINI, num_prefix_tokens=5,
          **HOPTIMUS_NORM, **FP16, **AT_224, hub_id="bioptimus/H0-mini", **ND, note="TRIDENT's and eva's h0-mini"),
    _spec("h0-mini-cls-mean", "timm", "vit_base_patch14_reg4_dinov2", 1536, options=H0_MINI, pooling="cls+mean",
          num_prefix_tokens=5, **HOPTIMUS_NORM, **FP16, **AT_224, hub_id="bioptimus/H0-mini", **ND,
          note="LazySlide's h0-mini"),
    _spec("gpfm", "timm", "vit_large_patch14_dinov2", 1024, options=DINOV2_AT_224, **BICUBIC, **FP16, **AT_224,
          hub_id="majiabo/GPFM", hub_file="GPFM.pth", licence="CC-BY-NC-ND-4.0", unused=DINO_HEADS),
    _spec("kaiko-vits8", "timm", "vit_small_patch8_224", 384, options=DINO_VIT, **HALF,
          hub_id="1aurent/vit_small_patch8_224.kaiko_ai_towards_large_pathology_fms", licence="see the hub"),
    _spec("kaiko-vits16", "timm", "vit_small_patch16_224", 384, options=DINO_VIT, **HALF,
          hub_id="1aurent/vit_small_patch16_224.kaiko_ai_towards_large_pathology_fms", licence="see the hub"),
    _spec("kaiko-vitb8", "timm", "vit_base_patch8_224", 768, options=DINO_VIT, **HALF,
          hub_id="1aurent/vit_base_patch8_224.kaiko_ai_towards_large_pathology_fms", licence="see the hub"),
    _spec("kaiko-vitb16", "timm", "vit_base_patch16_224", 768, options=DINO_VIT, **HALF,
          hub_id="1aurent/vit_base_patch16_224.kaiko_ai_towards_large_pathology_fms", licence="see the hub"),
    _spec("kaiko-vitl14", "timm", "vit_large_patch14_reg4_dinov2", 1024, options=KAIKO_L14, num_prefix_tokens=5, **HALF,
          hub_id="1aurent/vit_large_patch14_reg4_224.kaiko_ai_towards_large_pathology_fms", licence="see the hub",
          note="positions of 518 px, interpolated to the input"),
    _spec("lunit-vits8", "timm", "vit_small_patch8_224", 384, options=DINO_VIT, **LUNIT_NORM, **AT_224,
          hub_id="1aurent/vit_small_patch8_224.lunit_dino", licence="non-commercial"),
    _spec("lunit-vits16", "timm", "vit_small_patch16_224", 384, options=DINO_VIT, **LUNIT_NORM, **AT_224,
          hub_id="1aurent/vit_small_patch16_224.lunit_dino", licence="non-commercial"),
    _spec("lunit-rn50-bt", "timm", "resnet50", 2048, options=(("num_classes", 0),), pooling="gap", **LUNIT_NORM,
          **AT_224, hub_id="1aurent/resnet50.lunit_bt", licence="non-commercial", unused=("fc.",)),
    _spec("lunit-rn50-mocov2", "timm", "resnet50", 2048, options=(("num_classes", 0),), pooling="gap", **LUNIT_NORM,
          **AT_224, hub_id="1aurent/resnet50.lunit_mocov2", licence="non-commercial", unused=("fc.",)),
    _spec("lunit-rn50-swav", "timm", "resnet50", 2048, options=(("num_classes", 0),), pooling="gap", **LUNIT_NORM,
          **AT_224, hub_id="1aurent/resnet50.lunit_swav", licence="non-commercial", unused=("fc.",)),
    _spec("openmidnight", "timm", "vit_giant_patch14_reg4_dinov2", 1536, options=HOPTIMUS, num_prefix_tokens=5, **FP16,
          **AT_224, hub_id="SophontAI/OpenMidnight", hub_file="teacher_checkpoint_load.pt", gated=True, **APACHE,
          unused=DINO_HEADS),
    _spec("mstar", "timm", "vit_large_patch16_224", 1024, options=SCALED_VIT, hub_id="Wangyh/mSTAR", **BIN, **ND,
          note=UNVERIFIED_HUB.format("Wangyh/mSTAR")),
    _spec("pathorchestra", "timm", "vit_large_patch16_224", 1024, options=SCALED_VIT,
          hub_id="AI4Pathology/PathOrchestra", **BIN, **ND, note=UNVERIFIED_HUB.format("AI4Pathology/PathOrchestra")),
    _spec("dinobloom-s", "timm", "vit_small_patch14_dinov2", 384, options=DINOV2_AT_224, **AT_224,
          hub_file="DinoBloom-S.pth", **APACHE, unused=DINO_HEADS,
          note="blood cells; https://zenodo.org/records/10908163; * licence"),
    _spec("reddino-l", "timm", "vit_large_patch14_dinov2", 1024, options=DINOV2_AT_224, **AT_224,
          hub_id="Snarcy/RedDino-large", unused=DINO_HEADS, licence="see the hub",
          note="red blood cells; " + UNVERIFIED_HUB.format("Snarcy/RedDino-large")),
    _spec("ctranspath", "timm", "swin_tiny_patch4_window7_224", 768, options=_vit(embed_layer="ConvStem"),
          pooling="pooled", mpp=UM_PER_PX_10X, hub_file="ctranspath.pth", licence="GPL-3.0", unused=("head.",),
          note="https://github.com/Xiyue-Wang/TransPath; TRIDENT's ctranspath is chief-ctranspath"),
    _spec("chief-ctranspath", "timm", "swin_tiny_patch4_window7_224", 768, options=_vit(embed_layer="ConvStem"),
          pooling="pooled", mpp=UM_PER_PX_10X, hub_file="CHIEF_CTransPath.pth", licence="AGPL-3.0", unused=("head.",),
          note="https://github.com/hms-dbmi/CHIEF; TRIDENT's ctranspath; * licence"),
    _spec("retccl", "timm", "resnet50", 2048, options=(("num_classes", 0),), pooling="gap", input_size_px=256,
          hub_file="best_ckpt.pth", licence="GPL-3.0", unused=("fc.",), note="https://github.com/Xiyue-Wang/RetCCL; *"),
    _spec("keep", "keep", "vit_large_patch16_224", 768, options=SCALED_VIT, pooling="embedding", **BICUBIC, **FP16,
          hub_id="Astaxanthin/KEEP", **MIT, unused=("text.", "logit_scale"), note="of length 1, as TRIDENT and STAMP"),

    # ---- transformers ----
    _spec("phikon", "transformers", "ViTModel", 768, **AT_224, hub_id="owkin/phikon", licence="Owkin non-commercial",
          unused=("pooler.", "classifier."), **TRANSFORMERS),
    _spec("phikon_v2", "transformers", "Dinov2Model", 1024, options=(*HF_VIT_L, ("patch_size", 16), ("image_size", 224)),
          **AT_224, hub_id="owkin/phikon-v2", licence="Owkin non-commercial", unused=("classifier.",), **TRANSFORMERS),
    _spec("midnight12k-cls-mean", "transformers", "Dinov2Model", 3072, pooling="cls+mean",
          options=(*HF_VIT_G, ("patch_size", 14), ("image_size", 224)), **HALF, **FP16, **AT_224,
          hub_id="kaiko-ai/midnight", **MIT, **TRANSFORMERS, note="its model card's feature of a patch; * image_size"),
    _spec("midnight12k-cls", "transformers", "Dinov2Model", 1536,
          options=(*HF_VIT_G, ("patch_size", 14), ("image_size", 224)), **HALF, **FP16, **AT_224,
          hub_id="kaiko-ai/midnight", **MIT, **TRANSFORMERS, note="TRIDENT's and eva's midnight; * image_size"),
    _spec("hibou_b", "transformers", "Dinov2WithRegistersModel", 768, options=HIBOU, num_prefix_tokens=5, **BICUBIC,
          **HIBOU_NORM, **AT_224, hub_id="histai/hibou-b", gated=True, **APACHE, **TRANSFORMERS,
          note="* built by transformers in place of the hub's code, which transformers 5 cannot run"),
    _spec("hibou_l", "transformers", "Dinov2WithRegistersModel", 1024, options=(*HF_VIT_L, *HIBOU), num_prefix_tokens=5,
          **BICUBIC, **HIBOU_NORM, **AT_224, hub_id="histai/hibou-L", gated=True, **APACHE, **TRANSFORMERS,
          note="* built by transformers in place of the hub's code, which transformers 5 cannot run"),
    _spec("plip", "transformers", "CLIPVisionModelWithProjection", 512, pooling="embedding", **BICUBIC, **CLIP,
          options=(("patch_size", 32), ("projection_dim", 512)), **AT_224, hub_id="vinid/plip", **BIN,
          licence="see the hub", unused=CLIP_TEXT, **TRANSFORMERS),
    _spec("medsiglip", "transformers", "SiglipVisionModel", 1152, pooling="pooler", **HALF, options=MEDSIGLIP, **AT_448,
          hub_id="google/medsiglip-448", gated=True, licence="Health AI Developer Foundations",
          unused=("text_model.", "logit_scale", "logit_bias"), **TRANSFORMERS, note="* interpolation"),
    _spec("gemma4-e4b", "gemma4", "Gemma4VisionModel", 768, options=(("use_clipped_linears", True),), pooling="mean",
          num_prefix_tokens=0, input_size_px=768, **BICUBIC, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), **BF16, **AT_224,
          hub_id="google/gemma-4-E4B", **APACHE, unused=GEMMA_REST, needs="transformers>=5",
          note="vision tower of a language model; mean of 256 tokens; * options"),
    _spec("gemma4-26b", "gemma4", "Gemma4VisionModel", 1152, options=GEMMA_26B, pooling="mean", num_prefix_tokens=0,
          input_size_px=768, **BICUBIC, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), **BF16, **AT_224,
          hub_id="google/gemma-4-26B-A4B", hub_file="model.safetensors.index.json", **APACHE, unused=GEMMA_REST,
          needs="transformers>=5", note="vision tower of a language model; mean of 256 tokens; * options"),

    # ---- open_clip ----
    _spec("quiltnet-b-32", "open_clip", "ViT-B-32", 512, pooling="embedding", **BICUBIC, **CLIP, **AT_224,
          hub_id="wisdomik/QuiltNet-B-32", hub_file="open_clip_pytorch_model.bin", **MIT, unused=OPEN_CLIP_TEXT,
          **OPEN_CLIP, note="* activation"),
    _spec("quiltnet-b-16", "open_clip", "ViT-B-16", 512, pooling="embedding", **BICUBIC, **CLIP, **AT_224,
          hub_id="wisdomik/QuiltNet-B-16", hub_file="open_clip_pytorch_model.bin", **MIT, unused=OPEN_CLIP_TEXT,
          **OPEN_CLIP, note="* activation"),
    _spec("quiltnet-b-16-pmb", "open_clip", "ViT-B-16", 512, pooling="embedding", **BICUBIC, **CLIP, **AT_224,
          hub_id="wisdomik/QuiltNet-B-16-PMB", hub_file="open_clip_pytorch_model.bin", **MIT, unused=OPEN_CLIP_TEXT,
          **OPEN_CLIP, note="* activation"),
    _spec("biomedclip", "open_clip", "biomedclip", 512, pooling="embedding", **BICUBIC, **CLIP, **AT_224,
          options=(("timm_model_name", "vit_base_patch16_224"), ("timm_pool", ""), ("timm_proj", "linear")),
          hub_id="microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224", hub_file="open_clip_pytorch_model.bin",
          **MIT, unused=OPEN_CLIP_TEXT, **OPEN_CLIP),
    _spec("omiclip", "open_clip", "coca_ViT-L-14", 768, pooling="embedding-l2", **BICUBIC, **CLIP, **AT_224,
          hub_id="WangGuangyuLab/Loki", hub_file="checkpoint.pt", gated=True, licence="BSD-3-Clause",
          unused=OPEN_CLIP_TEXT, **OPEN_CLIP, note="of length 1, as open_clip's encode_image"),

    # ---- packages of their own, and code of the hub ----
    _spec("conch_v1-proj", "conch", "conch_ViT-B-16", 512, options=(("proj_contrast", True),), pooling="embedding",
          **AT_448, **BICUBIC, **CLIP, hub_id="MahmoodLab/conch", **BIN, **ND, env_var="CONCH_CKPT_PATH",
          needs="git+https://github.com/mahmoodlab/CONCH", note="after the projection, as LazySlide; 448 px"),
    _spec("conch_v1-448", "conch", "conch_ViT-B-16", 512, options=(("proj_contrast", False),), pooling="embedding",
          **AT_448, **BICUBIC, **CLIP, hub_id="MahmoodLab/conch", **BIN, **ND, env_var="CONCH_CKPT_PATH",
          needs="git+https://github.com/mahmoodlab/CONCH", note="as TRIDENT and STAMP: 448 px, bicubic"),
    _spec("musk", "musk", "musk_large_patch16_384", 1024, pooling="embedding", **AT_384, **BICUBIC, **HALF, **FP16,
          options=(("with_head", False), ("ms_aug", False)), hub_id="xiangjx/musk", **ND,
          needs="git+https://github.com/lilab-stanford/MUSK", note="as TRIDENT"),
    _spec("musk-ms_aug", "musk", "musk_large_patch16_384", 2048, pooling="embedding", **AT_384, **BICUBIC, **HALF,
          **FP16, options=(("with_head", False), ("ms_aug", True)), hub_id="xiangjx/musk", **ND,
          needs="git+https://github.com/lilab-stanford/MUSK", note="several scales, as STAMP; * dim"),
    _spec("musk-head", "musk", "musk_large_patch16_384", 1024, pooling="embedding", **AT_384, **BICUBIC, **FP16,
          options=(("with_head", True), ("ms_aug", False)), hub_id="xiangjx/musk", **ND,
          needs="git+https://github.com/lilab-stanford/MUSK", note="after the head, ImageNet's colours, as LazySlide"),
    _spec("conch_v15", "remote", "return_conch", 768, pooling="embedding", **AT_448, **FP16, hub_id="MahmoodLab/TITAN",
          **ND, trust_remote_code=True, needs="transformers einops einops-exts"),
    _spec("genbio-pathfm", "remote", "", 4608, pooling="embedding", **GENBIO_NORM, **BF16, **AT_224,
          hub_id="genbio-ai/genbio-pathfm", hub_file="model.pth", licence="GenBio AI Community",
          trust_remote_code=True, needs="transformers"),
    _spec("ticon", "ticon", "", 1536, pooling="embedding", **HOPTIMUS_NORM, **AT_224, hub_id="varunb/TICON", gated=True,
          licence="see the hub", needs="https://huggingface.co/varunb/TICON",
          note="puts hoptimus1 features in context; not built here"),
)
# fmt: on

ENCODERS = {spec.name: spec for spec in _SPECS}
# Names that projects use for what has a clearer name here.
ALIASES = {"midnight12k": "midnight12k-cls-mean", "conch_v1_5": "conch_v15"}
ANY_TIMM, ANY_HUB = "timm:", "hf-hub:"


def find_encoder(name: str) -> EncoderSpec:
    """Return the encoder of that name, or raise a UsageError that lists the known ones.

    ``timm:NAME`` and ``hf-hub:OWNER/NAME`` are any model of timm; the rest of their facts is known once they are built.
    """
    if name.startswith(ANY_TIMM):
        return EncoderSpec(name, "any_timm", name.removeprefix(ANY_TIMM), pooling="pooled")
    if name.startswith(ANY_HUB):
        return _hub_encoder(name)
    return ENCODERS[require_choice(ALIASES.get(name, name), list(ENCODERS), kind="encoder")]


def _hub_encoder(name: str) -> EncoderSpec:
    hub_id = name.removeprefix(ANY_HUB)
    if hub_id.count("/") != 1 or not all(hub_id.split("/")):
        raise UsageError(f"encoder {name!r}: write it as {ANY_HUB}OWNER/NAME")
    return EncoderSpec(name, "any_hub", pooling="pooled", hub_id=hub_id)

"""The table of patch encoders: one entry each. A new encoder is one more entry here.

Facts come from the encoders' model cards and from public programs that load them. A ``*`` in a note marks what none of
these says, or what they disagree on: it is to be checked when the weights load. Several names share weights where
projects call different features by one name; then the name, or the note, says whose the features are.
"""

from typing import Any

from models.encoders.spec import NO_RESIZE, UM_PER_PX_10X, EncoderSpec, Options

Facts = dict[str, Any]

# ---- networks that several entries share ----

VIT: Facts = {"num_classes": 0, "dynamic_img_size": True}
SCALED_VIT: Facts = {**VIT, "init_values": 1e-5}
SWIGLU: Facts = {"mlp_layer": "SwiGLUPacked", "act_layer": "silu"}
VIRCHOW: Facts = {**SCALED_VIT, **SWIGLU, "img_size": 224, "mlp_ratio": 5.3375}
UNI2: Facts = {
    **SCALED_VIT, **SWIGLU, "img_size": 224, "patch_size": 14, "depth": 24, "num_heads": 24, "embed_dim": 1536,
    "mlp_ratio": 2.66667 * 2, "no_embed_class": True, "reg_tokens": 8,
}  # fmt: skip
GIGAPATH: Facts = {
    **SCALED_VIT, "img_size": 224, "patch_size": 16, "depth": 40, "num_heads": 24, "embed_dim": 1536,
    "mlp_ratio": 5.33334,
}  # fmt: skip
GIGAPATH_FLASH: Facts = {**SCALED_VIT, **SWIGLU, "mlp_ratio": 2048 / 384}
DINOV2_AT_224: Facts = {**SCALED_VIT, "img_size": 224}
H0_MINI: Facts = {**DINOV2_AT_224, **SWIGLU, "mlp_ratio": 2.66667 * 2}
KAIKO_L14: Facts = {**SCALED_VIT, "img_size": 518}
RESNET: Facts = {"num_classes": 0}
CONV_STEM: Facts = {"num_classes": 0, "embed_layer": "ConvStem"}

HF_VIT_L: Facts = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16}
HF_VIT_G: Facts = {"hidden_size": 1536, "num_hidden_layers": 40, "num_attention_heads": 24, "use_swiglu_ffn": True}
HF_VIT_L_16: Facts = {**HF_VIT_L, "patch_size": 16, "image_size": 224}
HF_VIT_G_14: Facts = {**HF_VIT_G, "patch_size": 14, "image_size": 224}
HIBOU_B: Facts = {"patch_size": 14, "image_size": 224, "num_register_tokens": 4}
HIBOU_L: Facts = {**HF_VIT_L, **HIBOU_B}
MEDSIGLIP: Facts = {
    "hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27, "num_attention_heads": 16,
    "patch_size": 14, "image_size": 448,
}  # fmt: skip
GEMMA_26B: Facts = {
    "hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27, "num_attention_heads": 16,
    "num_key_value_heads": 16, "head_dim": 72, "standardize": True,
}  # fmt: skip

# ---- preprocessing, number formats, licences ----

CLIP: Facts = {"mean": (0.48145466, 0.4578275, 0.40821073), "std": (0.26862954, 0.26130258, 0.27577711)}
HALF: Facts = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}
UNIT: Facts = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}
HOPTIMUS: Facts = {"mean": (0.707223, 0.578729, 0.703617), "std": (0.211883, 0.230117, 0.177517)}
HIBOU: Facts = {"mean": (0.7068, 0.5755, 0.722), "std": (0.195, 0.2316, 0.1816)}
GENBIO: Facts = {"mean": (0.697, 0.575, 0.728), "std": (0.188, 0.240, 0.187)}
LUNIT: Facts = {"mean": (0.70322989, 0.53606487, 0.66096631), "std": (0.21716536, 0.26081574, 0.20723464)}
UNCROPPED: Facts = {"crop": False}  # as the original: the short side becomes 224, and nothing is cut off
BICUBIC: Facts = {"interpolation": "bicubic"}
AT_224: Facts = {"patch_size_px": 224}
AT_384: Facts = {"input_size_px": 384, "patch_size_px": 384}
AT_448: Facts = {"input_size_px": 448, "patch_size_px": 512}
AT_10X: Facts = {"mpp": UM_PER_PX_10X}
FP16: Facts = {"autocast": "fp16"}
BF16: Facts = {"autocast": "bf16"}

ASK: Facts = {"gated": True}
ND: Facts = {"licence": "CC-BY-NC-ND-4.0"}
APACHE: Facts = {"licence": "Apache-2.0"}
MIT: Facts = {"licence": "MIT"}
NON_COMMERCIAL: Facts = {"licence": "non-commercial"}
ON_THE_HUB: Facts = {"licence": "see the hub"}
BIN: Facts = {"hub_file": "pytorch_model.bin"}
OPEN_CLIP_BIN: Facts = {"hub_file": "open_clip_pytorch_model.bin"}
TRANSFORMERS: Facts = {"needs": "transformers>=5.10"}
OPEN_CLIP: Facts = {"needs": "open_clip_torch"}
CONCH: Facts = {"needs": "git+https://github.com/mahmoodlab/CONCH", "env_var": "CONCH_CKPT_PATH"}
MUSK: Facts = {"needs": "fairscale git+https://github.com/lilab-stanford/MUSK"}

# ---- what published files hold beside the encoder ----

DINO_HEADS = ("dino_head.", "ibot_head.", "head.")
CLIP_REST = ("text_model.", "text_projection", "logit_scale", "logit_bias", "vision_model.embeddings.position_ids")
OPEN_CLIP_REST = (
    "text.", "transformer.", "token_embedding.", "ln_final.", "positional_embedding", "text_projection", "logit_scale",
    "logit_bias", "attn_mask", "text_decoder.",
)  # fmt: skip
CONCH_REST = ("text.", "text_decoder.", "logit_scale")
GEMMA_REST = ("language_model.", "audio_tower.", "embed_vision.", "embed_audio.", "lm_head.", "multi_modal_projector.")

GATE = "* gate: projects disagree"
TIMM_0 = "TRIDENT asks for timm 0.9.16, others run it on timm 1"


def _spec(name: str, family: str, architecture: str, dim: int, **facts: Any) -> EncoderSpec:
    """Return an entry; patches are resized to the network's input unless ``resize_px`` says otherwise."""
    facts.setdefault("resize_px", facts.get("input_size_px", 224))
    options: Options = tuple(facts.pop("options", {}).items())
    return EncoderSpec(name=name, family=family, architecture=architecture, dim=dim, options=options, **facts)


def _timm(name: str, architecture: str, dim: int, options: Facts, **facts: Any) -> EncoderSpec:
    return _spec(name, "timm", architecture, dim, options=options, **facts)


def _hugging(name: str, architecture: str, dim: int, options: Facts, **facts: Any) -> EncoderSpec:
    return _spec(name, "transformers", architecture, dim, options=options, **TRANSFORMERS, **facts)


def _open_clip(name: str, architecture: str, dim: int, hub_id: str, **facts: Any) -> EncoderSpec:
    defaults: Facts = {"pooling": "embedding", "unused": OPEN_CLIP_REST, **OPEN_CLIP_BIN, **BICUBIC, **CLIP, **AT_224}
    return _spec(name, "open_clip", architecture, dim, hub_id=hub_id, **OPEN_CLIP, **(defaults | facts))


def _conch(name: str, proj_contrast: bool, **facts: Any) -> EncoderSpec:
    return _spec(name, "conch", "conch_ViT-B-16", 512, options={"proj_contrast": proj_contrast}, pooling="embedding",
                 **CLIP, **BIN, **ASK, **ND, **CONCH, hub_id="MahmoodLab/conch", unused=CONCH_REST,
                 **facts)  # fmt: skip


def _conch_v15(name: str, **facts: Any) -> EncoderSpec:
    return _spec(name, "remote", "return_conch", 768, pooling="embedding", **AT_448, **FP16, hub_id="MahmoodLab/TITAN",
                 hub_file="conch_v1_5_pytorch_model.bin", **ASK, **ND, trust_remote_code=True,
                 needs="transformers>=5.10 einops einops-exts", **facts)  # fmt: skip


def _musk(name: str, dim: int, *, with_head: bool, ms_aug: bool, **facts: Any) -> EncoderSpec:
    return _spec(name, "musk", "musk_large_patch16_384", dim, options={"with_head": with_head, "ms_aug": ms_aug},
                 pooling="embedding", **AT_384, **BICUBIC, **FP16, **ASK, **ND, **MUSK, hub_id="xiangjx/musk",
                 **facts)  # fmt: skip


def _kaiko(name: str, architecture: str, dim: int, options: Facts, hub_name: str, **facts: Any) -> EncoderSpec:
    hub_id = f"1aurent/{hub_name}.kaiko_ai_towards_large_pathology_fms"
    return _timm(name, architecture, dim, options, **HALF, hub_id=hub_id, **ON_THE_HUB, **facts)


def _lunit(name: str, architecture: str, dim: int, options: Facts, hub_name: str, **facts: Any) -> EncoderSpec:
    return _timm(name, architecture, dim, options, **BICUBIC, **LUNIT, **AT_224, hub_id=f"1aurent/{hub_name}",
                 **NON_COMMERCIAL, note="* interpolation: the hub's config.json says it", **facts)  # fmt: skip


# fmt: off
ENTRIES = (
    # ---- those of the README ----
    _timm("resnet50_trunc", "resnet50.tv_in1k", 1024, {"features_only": True, "out_indices": (3,)}, pooling="gap",
          **UNCROPPED, hub_id="timm/resnet50.tv_in1k", licence="BSD-3-Clause", unused=("layer4.", "fc."),
          note="ImageNet; averaged over the third block's map; TRIDENT also crops"),
    _timm("uni_v1", "vit_large_patch16_224", 1024, SCALED_VIT, **UNCROPPED, **FP16, hub_id="MahmoodLab/UNI", **BIN,
          **ASK, **ND, env_var="UNI_CKPT_PATH"),
    _conch("conch_v1", False, **UNCROPPED, patch_size_px=512, note="at 224 px as CLAM; at 448 px: conch_v1-448"),
    EncoderSpec("handcrafted", "handcrafted", dim=99, pooling="", input_size_px=NO_RESIZE, resize_px=NO_RESIZE,
                crop=False, mean=None, std=None, hub_file="", **APACHE, note="stain and texture, no weights"),

    # ---- timm ----
    _timm("uni_v2", "vit_giant_patch14_224", 1536, UNI2, num_prefix_tokens=9, **BF16, hub_id="MahmoodLab/UNI2-h",
          **BIN, **ASK, **ND),
    _timm("gigapath", "vit_giant_patch14_dinov2", 1536, GIGAPATH, resize_px=256, **BICUBIC, **FP16,
          hub_id="prov-gigapath/prov-gigapath", **BIN, **ASK, **APACHE, note=TIMM_0),
    _timm("gigapath-flash", "vit_small_patch16_224", 384, GIGAPATH_FLASH, resize_px=256, **BICUBIC, **FP16,
          hub_id="prov-gigapath/prov-gigapath-flash", **BIN, **ASK, **ON_THE_HUB, note="* gate, patch size"),
    _timm("virchow", "vit_huge_patch14_224", 2560, VIRCHOW, pooling="cls+mean", **BICUBIC, **FP16, **AT_224,
          hub_id="paige-ai/Virchow", **BIN, **ASK, **APACHE,
          note="virchow of TRIDENT and LazySlide; STAMP calls it virchow-full"),
    _timm("virchow-cls", "vit_huge_patch14_224", 1280, VIRCHOW, **BICUBIC, **FP16, **AT_224,
          hub_id="paige-ai/Virchow", **BIN, **ASK, **APACHE, note="STAMP's virchow"),
    _timm("virchow2", "vit_huge_patch14_224", 2560, {**VIRCHOW, "reg_tokens": 4}, pooling="cls+mean",
          num_prefix_tokens=5, **BICUBIC, **FP16, **AT_224, hub_id="paige-ai/Virchow2", **BIN, **ASK, **ND,
          note="virchow2 of TRIDENT and LazySlide; of STAMP and eva: virchow2-cls"),
    _timm("virchow2-cls", "vit_huge_patch14_224", 1280, {**VIRCHOW, "reg_tokens": 4}, num_prefix_tokens=5, **BICUBIC,
          **FP16, **AT_224, hub_id="paige-ai/Virchow2", **BIN, **ASK, **ND, note="virchow2 of STAMP and eva"),
    _timm("hoptimus0", "vit_giant_patch14_reg4_dinov2", 1536, DINOV2_AT_224, num_prefix_tokens=5, **HOPTIMUS, **FP16,
          **AT_224, hub_id="bioptimus/H-optimus-0", **BIN, **ASK, **APACHE,
          note=f"bilinear, as TRIDENT and STAMP; {TIMM_0}; {GATE}"),
    _timm("hoptimus0-bicubic", "vit_giant_patch14_reg4_dinov2", 1536, DINOV2_AT_224, num_prefix_tokens=5, **BICUBIC,
          **HOPTIMUS, **FP16, **AT_224, hub_id="bioptimus/H-optimus-0", **BIN, **ASK, **APACHE,
          note=f"as LazySlide; {GATE}"),
    _timm("hoptimus1", "vit_giant_patch14_reg4_dinov2", 1536, DINOV2_AT_224, num_prefix_tokens=5, **HOPTIMUS, **FP16,
          **AT_224, hub_id="bioptimus/H-optimus-1", **BIN, **ASK, **ND,
          note=f"bilinear, as TRIDENT and STAMP; {TIMM_0}"),
    _timm("hoptimus1-bicubic", "vit_giant_patch14_reg4_dinov2", 1536, DINOV2_AT_224, num_prefix_tokens=5, **BICUBIC,
          **HOPTIMUS, **FP16, **AT_224, hub_id="bioptimus/H-optimus-1", **BIN, **ASK, **ND, note="as LazySlide"),
    _timm("h0-mini", "vit_base_patch14_reg4_dinov2", 768, H0_MINI, num_prefix_tokens=5, **BICUBIC, **HOPTIMUS, **FP16,
          **AT_224, hub_id="bioptimus/H0-mini", **BIN, **ASK, **ND,
          note="h0-mini of TRIDENT and eva; of LazySlide: h0-mini-cls-mean; * interpolation: the hub's config.json"),
    _timm("h0-mini-cls-mean", "vit_base_patch14_reg4_dinov2", 1536, H0_MINI, pooling="cls+mean", num_prefix_tokens=5,
          **BICUBIC, **HOPTIMUS, **FP16, **AT_224, hub_id="bioptimus/H0-mini", **BIN, **ASK, **ND,
          note="LazySlide's h0-mini; * interpolation: the hub's config.json"),
    _timm("gpfm", "vit_large_patch14_dinov2", 1024, DINOV2_AT_224, **BICUBIC, **FP16, **AT_224,
          hub_id="majiabo/GPFM", hub_file="GPFM.pth", **ND, unused=DINO_HEADS,
          note="eva takes the same file from a release on GitHub, MD5 0dc7e345..."),
    _timm("openmidnight", "vit_giant_patch14_reg4_dinov2", 1536, DINOV2_AT_224, num_prefix_tokens=5, **FP16, **AT_224,
          hub_id="SophontAI/OpenMidnight", hub_file="teacher_checkpoint_load.pt", **ASK, **APACHE, unused=DINO_HEADS,
          note="dinov2_vitg14_reg with positions of 224 px; * licence"),
    _kaiko("kaiko-vits8", "vit_small_patch8_224", 384, VIT, "vit_small_patch8_224"),
    _kaiko("kaiko-vits16", "vit_small_patch16_224", 384, VIT, "vit_small_patch16_224"),
    _kaiko("kaiko-vitb8", "vit_base_patch8_224", 768, VIT, "vit_base_patch8_224"),
    _kaiko("kaiko-vitb16", "vit_base_patch16_224", 768, VIT, "vit_base_patch16_224"),
    _kaiko("kaiko-vitl14", "vit_large_patch14_reg4_dinov2", 1024, KAIKO_L14, "vit_large_patch14_reg4_dinov2",
           num_prefix_tokens=5,
           note="positions of 518 px, interpolated to the input; * hub name: TIAToolbox has ..._reg4_224..."),
    _lunit("lunit-vits8", "vit_small_patch8_224", 384, VIT, "vit_small_patch8_224.lunit_dino"),
    _lunit("lunit-vits16", "vit_small_patch16_224", 384, VIT, "vit_small_patch16_224.lunit_dino"),
    _lunit("lunit-rn50-bt", "resnet50", 2048, RESNET, "resnet50.lunit_bt", pooling="gap", unused=("fc.",)),
    _lunit("lunit-rn50-mocov2", "resnet50", 2048, RESNET, "resnet50.lunit_mocov2", pooling="gap", unused=("fc.",)),
    _lunit("lunit-rn50-swav", "resnet50", 2048, RESNET, "resnet50.lunit_swav", pooling="gap", unused=("fc.",)),
    _timm("digepath", "vit_large_patch16_224", 1024, SCALED_VIT, **UNCROPPED, **FP16, hub_id="xtxx/Digepath", **ASK,
          **ON_THE_HUB, note="stomach and bowel; * patch size"),
    _timm("mstar", "vit_large_patch16_224", 1024, SCALED_VIT, **UNCROPPED, hub_id="Wangyh/mSTAR", **BIN, **ASK, **ND,
          note="* dim, file, gate, patch size; hf-hub:Wangyh/mSTAR builds what the hub's config.json says"),
    _timm("pathorchestra", "vit_large_patch16_224", 1024, SCALED_VIT, hub_id="AI4Pathology/PathOrchestra", **BIN,
          **ASK, **ND,
          note="* network, dim, patch size; hf-hub:AI4Pathology/PathOrchestra builds what the hub's config.json says"),
    _timm("dinobloom-s", "vit_small_patch14_dinov2", 384, DINOV2_AT_224, **AT_224, hub_file="DinoBloom-S.pth",
          source="https://zenodo.org/records/10908163", **APACHE, unused=DINO_HEADS,
          note="blood cells; SHA-256 c2f7990b003e89bc...; * licence, patch size"),
    _timm("reddino-l", "vit_large_patch14_dinov2", 1024, DINOV2_AT_224, **AT_224, hub_id="Snarcy/RedDino-large",
          unused=DINO_HEADS, **ON_THE_HUB,
          note="red blood cells; * network, dim, gate, patch size; hf-hub:Snarcy/RedDino-large builds what it says"),
    _timm("ctranspath", "swin_tiny_patch4_window7_224", 768, CONV_STEM, pooling="pooled", **AT_10X,
          hub_file="ctranspath.pth", source="https://github.com/Xiyue-Wang/TransPath", licence="GPL-3.0",
          unused=("head.",),
          note="the original weights; TRIDENT's ctranspath is chief-ctranspath; LazySlide's .pt2 does not load"),
    _timm("chief-ctranspath", "swin_tiny_patch4_window7_224", 768, CONV_STEM, pooling="pooled", **AT_10X,
          hub_file="CHIEF_CTransPath.pth", licence="AGPL-3.0", unused=("head.",),
          source="https://huggingface.co/datasets/MahmoodLab/hest-bench/tree/main/fm_v1/ctranspath",
          note="CHIEF's weights, TRIDENT's ctranspath; SHA-256 1646f230...ddc4924a; * licence, gate"),
    _timm("retccl", "resnet50", 2048, RESNET, pooling="gap", input_size_px=256, hub_file="best_ckpt.pth",
          source="https://github.com/Xiyue-Wang/RetCCL", licence="GPL-3.0", unused=("fc.",),
          note="* licence, gate, patch size"),
    _spec("keep", "keep", "vit_large_patch16_224", 768, options=SCALED_VIT, pooling="embedding-l2", **BICUBIC, **FP16,
          hub_id="Astaxanthin/KEEP", **MIT, unused=("text.", "logit_scale"),
          note="of length 1, as TRIDENT and STAMP; * gate, licence"),

    # ---- transformers ----
    _hugging("phikon", "ViTModel", 768, {}, **AT_224, hub_id="owkin/phikon", licence="Owkin non-commercial",
             unused=("pooler.", "classifier."), note=GATE),
    _hugging("phikon_v2", "Dinov2Model", 1024, HF_VIT_L_16, **AT_224, hub_id="owkin/phikon-v2",
             licence="Owkin non-commercial", unused=("classifier.",), note=GATE),
    _hugging("midnight12k-cls-mean", "Dinov2Model", 3072, HF_VIT_G_14, pooling="cls+mean", **HALF, **FP16, **AT_224,
             hub_id="kaiko-ai/midnight", **MIT, note=f"LazySlide's midnight; 3072 also in TRIDENT's README; {GATE}"),
    _hugging("midnight12k-cls", "Dinov2Model", 1536, HF_VIT_G_14, **HALF, **FP16, **AT_224,
             hub_id="kaiko-ai/midnight", **MIT, note=f"TRIDENT's and eva's midnight; {GATE}"),
    _hugging("hibou_b", "Dinov2WithRegistersModel", 768, HIBOU_B, num_prefix_tokens=5, **BICUBIC, **HIBOU, **AT_224,
             hub_id="histai/hibou-b", **ASK, **APACHE,
             note="* built by transformers in place of the hub's code, which transformers 5 cannot run"),
    _hugging("hibou_l", "Dinov2WithRegistersModel", 1024, HIBOU_L, num_prefix_tokens=5, **BICUBIC, **HIBOU, **AT_224,
             hub_id="histai/hibou-L", **ASK, **APACHE,
             note="* built by transformers in place of the hub's code, which transformers 5 cannot run"),
    _hugging("plip", "CLIPVisionModelWithProjection", 512, {"patch_size": 32, "projection_dim": 512},
             pooling="embedding", **BICUBIC, **CLIP, **AT_224, hub_id="vinid/plip", **BIN, **ON_THE_HUB,
             unused=CLIP_REST, note="* gate, patch size"),
    _hugging("medsiglip", "SiglipVisionModel", 1152, MEDSIGLIP, pooling="pooler", **HALF, **AT_448,
             hub_id="google/medsiglip-448", **ASK, licence="Health AI Developer Foundations", unused=CLIP_REST,
             note="* normalisation, interpolation: the hub's processor; * patch size"),
    _spec("gemma4-e4b", "gemma4", "Gemma4VisionModel", 768, options={"use_clipped_linears": True}, pooling="mean",
          num_prefix_tokens=0, input_size_px=768, **BICUBIC, **UNIT, **BF16, **AT_224, hub_id="google/gemma-4-E4B",
          **APACHE, unused=GEMMA_REST, **TRANSFORMERS,
          note="vision tower of a language model; patches become 768 px, mean of 256 tokens; * options, licence, gate"),
    _spec("gemma4-26b", "gemma4", "Gemma4VisionModel", 1152, options=GEMMA_26B, pooling="mean", num_prefix_tokens=0,
          input_size_px=768, **BICUBIC, **UNIT, **BF16, **AT_224, hub_id="google/gemma-4-26B-A4B",
          hub_file="model.safetensors.index.json", **APACHE, unused=GEMMA_REST, **TRANSFORMERS,
          note="vision tower of a language model; patches become 768 px, mean of 256 tokens; * options, licence, gate"),

    # ---- open_clip ----
    _open_clip("quiltnet-b-32", "ViT-B-32", 512, "wisdomik/QuiltNet-B-32", **MIT, note="* activation, patch size"),
    _open_clip("quiltnet-b-16", "ViT-B-16", 512, "wisdomik/QuiltNet-B-16", **MIT, note="* activation, patch size"),
    _open_clip("quiltnet-b-16-pmb", "ViT-B-16", 512, "wisdomik/QuiltNet-B-16-PMB", **MIT,
               note="* activation, patch size"),
    _open_clip("biomedclip", "vit_base_patch16_224", 512, "microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224",
               options={"timm": True}, **MIT, note="* normalisation: the hub's processor; * patch size"),
    _open_clip("omiclip", "coca_ViT-L-14", 768, "WangGuangyuLab/Loki", pooling="embedding-l2",
               hub_file="checkpoint.pt", **ASK, licence="BSD-3-Clause",
               note="of length 1, as open_clip's encode_image; * dim, normalisation, patch size"),

    # ---- packages of their own, and code of the hub ----
    _conch("conch_v1-448", False, **AT_448, **BICUBIC, note="as TRIDENT and STAMP: 448 px, bicubic"),
    _conch("conch_v1-proj", True, **AT_448, **BICUBIC, note="after the projection, as LazySlide; 448 px"),
    _musk("musk", 1024, with_head=False, ms_aug=False, **HALF,
          note="TRIDENT's musk; STAMP's: musk-ms_aug, LazySlide's: musk-head"),
    _musk("musk-ms_aug", 2048, with_head=False, ms_aug=True, **HALF, note="two scales, STAMP's musk; * dim"),
    _musk("musk-head", 1024, with_head=True, ms_aug=False, note="after the head, ImageNet's colours: LazySlide's musk"),
    _conch_v15("conch_v15", note="bilinear, as TRIDENT, which takes the same network from MahmoodLab/conchv1_5"),
    _conch_v15("conch_v15-bicubic", **BICUBIC, note="as LazySlide"),
    _spec("genbio-pathfm", "remote", "", 4608, pooling="embedding", **GENBIO, **BF16, **AT_224,
          hub_id="genbio-ai/genbio-pathfm", licence="GenBio AI Community", trust_remote_code=True,
          **TRANSFORMERS, note="R, G and B run separately, three class tokens; TRIDENT reads the hub's model.pth"),
    _spec("phaet", "remote", "", 1024, **AT_224, hub_id="wearewaiv/phaet", **ASK, **ON_THE_HUB,
          trust_remote_code=True, **TRANSFORMERS, note="phikon_v2 tuned to be robust, raw class token; * patch size"),
    _spec("mascaret", "remote", "", 1536, **HALF, **FP16, **AT_224, hub_id="wearewaiv/mascaret", **ASK, **ON_THE_HUB,
          trust_remote_code=True, **TRANSFORMERS, note="midnight12k tuned to be robust, raw class token; * patch size"),
    _spec("ticon", "ticon", "", 1536, pooling="embedding", **HOPTIMUS, **AT_224, hub_id="varunb/TICON", **ASK,
          hub_file="backbone/checkpoint.pth",
          **ON_THE_HUB, source="https://github.com/cvlab-stonybrook/TICON",
          note="puts hoptimus1 features in context by six layers, of one patch alone at position 0; not built here"),
)
# fmt: on

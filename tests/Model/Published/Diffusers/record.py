"""Records the cases in this folder with the diffusers library: tiny networks of random weights as its pipelines lay them out, and what it computes.

Recorded with diffusers 0.31.0 and PyTorch 1.13.0 in double precision. The library makes the frequencies of its time embedding in single precision,
whatever the network's; here they are made in double, so that the cases show the formula and not its rounding (5e-5 of the embedding at timestep 999).
"""
import json
import math
import os
import struct
import sys

import torch
from diffusers import AutoencoderKL, DDIMScheduler, DDPMScheduler, DiTTransformer2DModel, UNet2DModel
from diffusers.models import embeddings

HERE = os.path.dirname(os.path.abspath(sys.argv[0] or "."))


def frequencies(timesteps, embedding_dim, flip_sin_to_cos=False, downscale_freq_shift=1, scale=1, max_period=10000):
    half = embedding_dim // 2
    exponent = -math.log(max_period) * torch.arange(half, dtype=torch.float64) / (half - downscale_freq_shift)
    angles = scale * timesteps[:, None].double() * torch.exp(exponent)[None]
    parts = [torch.cos(angles), torch.sin(angles)] if flip_sin_to_cos else [torch.sin(angles), torch.cos(angles)]
    return torch.cat(parts, dim=-1)


embeddings.get_timestep_embedding = frequencies


def write(path, tensors):
    header, data = {}, b""
    for name, value in tensors.items():
        value = value.detach().contiguous()
        kind = "I64" if value.dtype == torch.int64 else "F32"
        raw = (value if kind == "I64" else value.float()).numpy().tobytes()
        header[name] = {"dtype": kind, "shape": list(value.shape), "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def settings(path, value, name=None):
    value = {k: v for k, v in dict(value).items() if not k.startswith("_")}
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        json.dump({"_class_name": name, "_diffusers_version": "0.31.0", **value}, file, indent=2)
        file.write("\n")


def randomise(model, seed):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, value in model.named_parameters():
            noise = torch.randn(value.shape, generator=generator)
            norm = "norm" in name and value.dim() == 1 and name.endswith("weight") and "linear" not in name
            fan = value[0].numel() if value.dim() > 1 else 16
            value.copy_(1 + 0.2 * noise if norm else noise / math.sqrt(fan))
    return model.double().eval()


def noise(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).double()


def trace(scheduler, predict, x, steps):
    scheduler.set_timesteps(steps)
    for t in scheduler.timesteps:
        x = scheduler.step(predict(x, t), t, x, eta=0.0).prev_sample
    return x


def old_names(state):
    pairs = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    result = {}
    for name, value in state.items():
        for new, old in pairs.items():
            name = name.replace(f"attentions.0.{new}.", f"attentions.0.{old}.")
        result[name] = value
    return result


def rest(*names):
    return {name: ["diffusers", kind] for name, kind in names}


# As the ddpm-* models: everything at the top of the folder, attention under its older names.
ddpm = UNet2DModel(
    sample_size=8, block_out_channels=(4, 8), layers_per_block=1, norm_num_groups=2, norm_eps=1e-6, flip_sin_to_cos=False, freq_shift=1, downsample_padding=0,
    attention_head_dim=None, down_block_types=("DownBlock2D", "AttnDownBlock2D"), up_block_types=("AttnUpBlock2D", "UpBlock2D"))
randomise(ddpm, 1)
folder = os.path.join(HERE, "ddpm")
x, t = noise(2, 2, 3, 8, 8), torch.tensor([3, 977])
settings(f"{folder}/config.json", ddpm.config, "UNet2DModel")
settings(f"{folder}/scheduler_config.json", DDPMScheduler(variance_type="fixed_large").config, "DDPMScheduler")
settings(f"{folder}/model_index.json", rest(("unet", "UNet2DModel"), ("scheduler", "DDPMScheduler")), "DDPMPipeline")
write(f"{folder}/diffusion_pytorch_model.safetensors", old_names(ddpm.state_dict()))
ddim = DDIMScheduler(timestep_spacing="trailing", clip_sample=False)
write(f"{folder}/expected.safetensors", {
    "x": x, "t": t, "out": ddpm(x, t).sample,
    "noise": x[:1], "ddim": trace(ddim, lambda s, at: ddpm(s, at).sample, x[:1], 5)})

# Everything else that the network can have; two levels of attention, classes, a learned variance.
rich = UNet2DModel(
    sample_size=8, in_channels=1, out_channels=2, block_out_channels=(4, 4, 8), layers_per_block=2, norm_num_groups=2, attention_head_dim=2, mid_block_scale_factor=1.5,
    center_input_sample=True, num_class_embeds=5, resnet_time_scale_shift="scale_shift", attn_norm_num_groups=4,
    down_block_types=("DownBlock2D", "AttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "DownBlock2D".replace("Down", "AttnUp"), "AttnUpBlock2D"))
randomise(rich, 3)
folder = os.path.join(HERE, "classes")
x, t, y = noise(4, 2, 1, 8, 8), torch.tensor([0, 500]), torch.tensor([4, 1])
settings(f"{folder}/unet/config.json", rich.config, "UNet2DModel")
settings(f"{folder}/scheduler/scheduler_config.json", DDPMScheduler(
    beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction", variance_type="learned_range", clip_sample=False, num_train_timesteps=500).config, "DDPMScheduler")
write(f"{folder}/unet/diffusion_pytorch_model.safetensors", rich.state_dict())
write(f"{folder}/expected.safetensors", {"x": x, "t": t, "y": y, "out": rich(x, t, y).sample})

# A pipeline of latents: transformer, autoencoder, scheduler.
transformer = DiTTransformer2DModel(num_attention_heads=2, attention_head_dim=4, in_channels=2, out_channels=4, num_layers=2, sample_size=4, num_embeds_ada_norm=3)
randomise(transformer, 5)
# Blocks share what embeds time and class, as in the published transformers; their files repeat it.
first = transformer.transformer_blocks[0].norm1.emb.state_dict()
for block in transformer.transformer_blocks:
    block.norm1.emb.load_state_dict(first)
vae = AutoencoderKL(
    block_out_channels=(4, 8), down_block_types=("DownEncoderBlock2D",) * 2, up_block_types=("UpDecoderBlock2D",) * 2, latent_channels=2, norm_num_groups=2, sample_size=8,
    scaling_factor=0.75)
randomise(vae, 6)
scheduler = DDIMScheduler(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012, clip_sample=False, steps_offset=1)
folder = os.path.join(HERE, "dit")
x, t, y = noise(7, 2, 2, 4, 4), torch.tensor([7, 901]), torch.tensor([2, 3])
settings(f"{folder}/model_index.json", {**rest(
    ("transformer", "DiTTransformer2DModel"), ("vae", "AutoencoderKL"), ("scheduler", "DDIMScheduler")), "id2label": {"0": "one", "1": "two", "2": "three"}}, "DiTPipeline")
settings(f"{folder}/transformer/config.json", transformer.config, "DiTTransformer2DModel")
settings(f"{folder}/vae/config.json", vae.config, "AutoencoderKL")
settings(f"{folder}/scheduler/scheduler_config.json", scheduler.config, "DDIMScheduler")
write(f"{folder}/transformer/diffusion_pytorch_model.safetensors", transformer.state_dict())
write(f"{folder}/vae/diffusion_pytorch_model.safetensors", vae.state_dict())


def guided(state, at):
    both = transformer(torch.cat([state, state]), at.expand(2), class_labels=torch.tensor([2, 3])).sample[:, :2]
    return both[1:] + 4 * (both[:1] - both[1:])


final = trace(scheduler, guided, x[:1], 4)
write(f"{folder}/expected.safetensors", {
    "x": x, "t": t, "y": y, "out": transformer(x, t, class_labels=y).sample,
    "noise": x[:1], "ddim": final, "image": vae.decode(final / vae.config.scaling_factor).sample})

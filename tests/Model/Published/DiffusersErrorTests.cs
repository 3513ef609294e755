using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Autoencoders;
using NativeDiffusion.Model.Published;
using NativeDiffusion.Runtime.Checkpoints;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Published;

/// <summary>Folders of diffusers that are wrong, hostile, or of what is not supported: one clear error each.</summary>
internal sealed class DiffusersErrorTests
{
    [TestCase("ddpm", "config.json", "\"sample_size\": 8", "\"sample_size\": \"eight\"", "'sample_size' is \"eight\"")]
    [TestCase("ddpm", "config.json", "\"sample_size\": 8", "\"sample_size\": [8, 16]", "only square pictures")]
    [TestCase("ddpm", "config.json", "\"sample_size\": 8", "\"sample_size\": 7", "sample_size is 1 to 4096 and can be halved")]
    [TestCase("ddpm", "config.json", "\"sample_size\": 8", "\"sample_size\": 1e12", "'sample_size' is 1e12")]
    [TestCase("ddpm", "config.json", "\"norm_num_groups\": 2", "\"norm_num_groups\": 3", "multiples of norm_num_groups (3)")]
    [TestCase("ddpm", "config.json", "\"norm_eps\": 1e-06", "\"norm_eps\": -1", "norm_eps is above 0")]
    [TestCase("ddpm", "config.json", "\"norm_eps\": 1e-06", "\"norm_eps\": NaN", "'norm_eps' is")]
    [TestCase("ddpm", "config.json", "\"downsample_padding\": 0", "\"downsample_padding\": 2", "'downsample_padding' is 2")]
    [TestCase("ddpm", "config.json", "\"attention_head_dim\": null", "\"attention_head_dim\": 3", "attention_head_dim divides")]
    [TestCase("ddpm", "config.json", "\"in_channels\": 3", "\"in_channels\": 4", "'in_channels' is 4, but the weights are those of 3")]
    [TestCase("ddpm", "config.json", "\"num_class_embeds\": null", "\"num_class_embeds\": 10", "'num_class_embeds' is 10")]
    [TestCase("ddpm", "config.json", "\"act_fn\": \"silu\"", "\"act_fn\": \"relu\"", "'act_fn' is 'relu'")]
    [TestCase("ddpm", "config.json", "\"time_embedding_type\": \"positional\"", "\"time_embedding_type\": \"fourier\"", "time_embedding_type 'fourier'")]
    [TestCase("ddpm", "config.json", "\"class_embed_type\": null", "\"class_embed_type\": \"timestep\"", "class_embed_type 'timestep'")]
    [TestCase("ddpm", "config.json", "\"AttnDownBlock2D\"", "\"SkipDownBlock2D\"", "blocks 'SkipDownBlock2D'")]
    [TestCase("ddpm", "config.json", "\"UNet2DModel\"", "\"VQModel\"", "'VQModel' of diffusers")]
    [TestCase("ddpm", "config.json", "\"UNet2DModel\"", "\"AutoencoderKL\"", "AutoencoderKL, but the weights beside it are those of a UNet2DModel")]
    [TestCase("ddpm", "config.json", "{", "", "config.json: is not the JSON object")]
    [TestCase("ddpm", "scheduler_config.json", "{", "[", "scheduler_config.json: is not the JSON object")]
    [TestCase("ddpm", "scheduler_config.json", "\"DDPMScheduler\"", "\"ScoreSdeVeScheduler\"", "ScoreSdeVeScheduler, which is not supported")]
    [TestCase("ddpm", "scheduler_config.json", "\"linear\"", "\"sigmoid\"", "'beta_schedule' is 'sigmoid'")]
    [TestCase("ddpm", "scheduler_config.json", "\"epsilon\"", "\"flow_prediction\"", "'prediction_type' is 'flow_prediction'")]
    [TestCase("ddpm", "scheduler_config.json", "\"trained_betas\": null", "\"trained_betas\": [0.1]", "trained_betas")]
    [TestCase("ddpm", "scheduler_config.json", "\"num_train_timesteps\": 1000", "\"num_train_timesteps\": 2000000000", "'num_train_timesteps' is 2000000000")]
    [TestCase("ddpm", "scheduler_config.json", "\"num_train_timesteps\": 1000", "\"num_train_timesteps\": 0", "'num_train_timesteps' is 0")]
    [TestCase("ddpm", "scheduler_config.json", "\"beta_end\": 0.02", "\"beta_end\": 2", "must lie in (0, 1)")]
    [TestCase("ddpm", "scheduler_config.json", "\"clip_sample\": true", "\"clip_sample\": \"yes\"", "'clip_sample' is \"yes\"")]
    [TestCase("ddpm", "scheduler_config.json", "\"fixed_large\"", "\"learned_range\"", "it does not learn the variance")]
    [TestCase("ddpm", "scheduler_config.json", "\"leading\"", "\"behind\"", "'timestep_spacing' is 'behind'")]
    [TestCase("dit", "transformer/config.json", "\"num_attention_heads\": 2", "\"num_attention_heads\": 3", "make 12 channels")]
    [TestCase("dit", "transformer/config.json", "\"gelu-approximate\"", "\"geglu\"", "'activation_fn' is 'geglu'")]
    [TestCase("dit", "transformer/config.json", "\"sample_size\": 4", "\"sample_size\": 5", "cannot be cut into patches")]
    [TestCase("dit", "transformer/config.json", "\"sample_size\": 4", "\"sample_size\": 4096", "cannot be cut into patches")]
    [TestCase("dit", "transformer/config.json", "\"num_embeds_ada_norm\": 3", "\"num_embeds_ada_norm\": 8", "says 8, but its label embedding has 4 rows")]
    [TestCase("dit", "vae/config.json", "\"scaling_factor\": 0.75", "\"scaling_factor\": 0", "'scaling_factor' is 0")]
    public void Wrong_settings_are_an_error(string name, string file, string before, string after, string message)
    {
        using var recorded = new DiffusersCase(name);
        recorded.Change(file, before, after);
        using var kernels = new CpuKernels(1);
        Assert.That(() => DiffusionModel.Load(recorded.Folder, kernels), Throws.TypeOf<CheckpointException>().With.Message.Contains(message));
    }

    [TestCase("\"norm_num_groups\": 2", "\"norm_num_groups\": 3", "norm_groups (3)")]
    [TestCase("\"latent_channels\": 2", "\"latent_channels\": 4", "'latent_channels' is 4")]
    [TestCase("\"shift_factor\": null", "\"shift_factor\": 0.1", "latents that are shifted")]
    public void Wrong_settings_of_an_autoencoder_are_an_error(string before, string after, string message)
    {
        using var recorded = new DiffusersCase("dit");
        using var kernels = new CpuKernels(1);
        using var model = DiffusionModel.Load(recorded.Folder, kernels);
        recorded.Change("vae/config.json", before, after);
        Assert.That(() => LatentDecoder.Load(recorded.Folder, model), Throws.TypeOf<CheckpointException>().With.Message.Contains(message));
    }

    [Test]
    public void An_autoencoder_of_another_scale_is_refused_or_of_a_lone_transformer_believed()
    {
        using var recorded = new DiffusersCase("dit");
        using var kernels = new CpuKernels(1);
        using var model = DiffusionModel.Load(recorded.Folder, kernels);
        recorded.Change("vae/config.json", "0.75", "0.5");
        Assert.That(() => LatentDecoder.Load(recorded.PathTo("vae"), model), Throws.TypeOf<CheckpointException>().With.Message.Contains("0.5 (scaling_factor), and those of the model were by 0.75"));
        File.Delete(recorded.PathTo("model_index.json"));
        using var lone = DiffusionModel.Load(recorded.PathTo("transformer"), kernels);
        Assert.That(lone.Assumptions.Select(a => a.Setting), Is.EqualTo(new[] { DiffusersSettings.LatentScale }));
        using var decoder = LatentDecoder.Load(recorded.PathTo("vae"), lone);
        Assert.That(decoder.ImageSize, Is.EqualTo(8));
    }

    [Test]
    public void Options_that_contradict_the_files_are_refused()
    {
        using var recorded = new DiffusersCase("ddpm");
        using var kernels = new CpuKernels(1);
        Assert.That(() => DiffusionModel.Load(recorded.Folder, kernels, settings: new PublishedSettings { Schedule = NoiseScheduleKind.Cosine }),
            Throws.TypeOf<CheckpointException>().With.Message.Contains("scheduler_config.json.beta_schedule").And.Message.Contains("noise_schedule as given"));
        Assert.That(() => DiffusionModel.Load(recorded.Folder, kernels, settings: new PublishedSettings { ImageSize = 16 }),
            Throws.TypeOf<CheckpointException>().With.Message.Contains("config.json.sample_size"));
    }

    [Test]
    public void Blocks_that_embed_time_each_in_its_own_way_are_refused()
    {
        using var recorded = new DiffusersCase("dit");
        string path = recorded.PathTo("transformer/diffusion_pytorch_model.safetensors"), changed = path + ".new";
        using (var file = CheckpointFile.Open(path))
            SafetensorsWriter.Write(changed, [.. file.Tensors.Select(t =>
            {
                float[] values = file.ReadFloat(t.Name);
                if (t.Name == "transformer_blocks.1.norm1.emb.timestep_embedder.linear_2.bias") values[^1]++;
                return TensorEntry.Of(t.Name, t.Shape, values);
            })]);
        File.Move(changed, path, overwrite: true);
        using var kernels = new CpuKernels(1);
        Assert.That(() => DiffusionModel.Load(recorded.Folder, kernels), Throws.TypeOf<CheckpointException>()
            .With.Message.Contains("'transformer_blocks.1.norm1.emb.timestep_embedder.linear_2.bias'").And.Message.Contains("differ"));
    }

    [Test]
    public void A_file_that_lacks_a_layer_names_it()
    {
        using var recorded = new DiffusersCase("ddpm");
        string path = recorded.PathTo("diffusion_pytorch_model.safetensors"), changed = path + ".new";
        using (var file = CheckpointFile.Open(path))
            SafetensorsWriter.Write(changed, [.. file.Tensors.Where(t => t.Name != "mid_block.resnets.1.conv2.weight").Select(t => TensorEntry.Of(t.Name, t.Shape, file.ReadFloat(t.Name)))]);
        File.Move(changed, path, overwrite: true);
        using var kernels = new CpuKernels(1);
        Assert.That(() => DiffusionModel.Load(recorded.Folder, kernels), Throws.TypeOf<CheckpointException>().With.Message.Contains("'mid_block.resnets.1.conv2.weight' [").And.Message.Contains("UNet2DModel"));
    }
}

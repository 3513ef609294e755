using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Autoencoders;
using NativeDiffusion.Model.Published;
using NativeDiffusion.Runtime;
using NativeDiffusion.Runtime.Checkpoints;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Published;

[TestFixture]
internal sealed class OtherCheckpointTests
{
    private string _path = "";

    [SetUp]
    public void MakePath() => _path = Path.Combine(Directory.CreateTempSubdirectory("others").FullName, "weights.safetensors");

    [TearDown]
    public void DeleteFolder() => Directory.Delete(Path.GetDirectoryName(_path)!, recursive: true);

    [TestCase("LoRA", "unet.down_blocks.0.attn.to_q.lora_A.weight")]
    [TestCase("LoRA", "lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight", "lora_unet_down_blocks_0_attentions_0_proj_in.alpha")]
    [TestCase("ControlNet", "control_model.time_embed.0.weight")]
    [TestCase("textual inversion", "emb_params")]
    [TestCase("Stable Diffusion checkpoint", "model.diffusion_model.time_embed.0.weight", "cond_stage_model.transformer.text_model.embeddings.position_ids")]
    [TestCase("Stable Diffusion XL", "model.diffusion_model.time_embed.0.weight", "conditioner.embedders.0.transformer.x")]
    [TestCase("text-conditioned", "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight", "conv_in.weight")]
    [TestCase("T5", "encoder.block.0.layer.0.SelfAttention.q.weight")]
    public void A_kind_that_is_not_used_is_refused_by_its_name(string said, params string[] tensors)
    {
        Write(tensors.Select(name => TensorEntry.Of(name, [1], new float[1].AsMemory())));
        using var kernels = new CpuKernels(1);
        Assert.That(() => DiffusionModel.Load(_path, kernels), Throws.InstanceOf<CheckpointException>().With.Message.Contains("is a " + said));
        using var file = CheckpointFile.Open(_path);
        Assert.That(() => PublishedCheckpoint.Require(file), Throws.InstanceOf<CheckpointException>().With.Message.Contains(said));
    }

    [Test]
    public void The_autoencoder_inside_a_stable_diffusion_checkpoint_is_used_and_the_rest_refused()
    {
        using var kernels = new CpuKernels(1);
        using var parameters = new Parameters(kernels);
        new KlAutoencoder(new KlAutoencoderConfig { Ch = 32, ChMult = [1, 1], NumResBlocks = 1 }).Declare(parameters);
        WeightInitialization.Apply(parameters, kernels, 3);
        Write([TensorEntry.Of("cond_stage_model.x", [1], new float[1].AsMemory()), .. WeightFile.Entries(parameters, kernels, "first_stage_model.", DType.F32)]);
        Assert.That(() => DiffusionModel.Load(_path, kernels), Throws.InstanceOf<CheckpointException>().With.Message.Contains("Stable Diffusion checkpoint").And.Message.Contains("--autoencoder"));
        using var file = CheckpointFile.Open(_path);
        Assert.That(PublishedCheckpoint.Require(file, c => c is KlAutoencoderConfig, "an autoencoder").Prefix, Is.EqualTo("first_stage_model."));
        Assert.That(() => PublishedCheckpoint.Require(file, c => c is NativeDiffusion.Model.Classifiers.ResNetConfig, "a ResNet"), Throws.InstanceOf<CheckpointException>().With.Message.Contains("holds a Stable Diffusion"));
    }

    private void Write(IEnumerable<TensorEntry> entries) => SafetensorsWriter.Write(_path, [.. entries], new Dictionary<string, string>());
}

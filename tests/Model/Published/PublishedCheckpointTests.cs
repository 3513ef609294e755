using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Published;
using NativeDiffusion.Runtime.Checkpoints;
using NativeDiffusion.Tests.Reference;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Published;

/// <summary>Published checkpoints, recognised by the names and extents of their tensors.</summary>
internal sealed class PublishedCheckpointTests
{
    private static IEnumerable<TestCaseData> Presets => NetworkFamilies.All.SelectMany(family => family.Presets.Select(
        preset => new TestCaseData(family, preset.Name, preset.Config).SetArgDisplayNames(preset.Name)));

    [TestCaseSource(nameof(Presets))]
    public void ATensorListGivesBackItsPreset(NetworkFamily family, string name, object config)
    {
        var shapes = family.TensorsOf(config);
        object? inferred = family.Infer(shapes);
        Assert.That(inferred, Is.Not.Null);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(PublishedCheckpoint.Differences(family, inferred!, shapes), Is.Empty);
            Assert.That(family.PresetOf(inferred!), Is.EqualTo(name), NetworkFamily.Json(inferred!));
            foreach (var other in NetworkFamilies.All.Where(f => f != family))
                Assert.That(other.Infer(shapes) is { } wrong && !PublishedCheckpoint.Differences(other, wrong, shapes).Any(), Is.False, other.Name);
        }
    }

    [TestCase("adm_unet", "adm_unet")]
    [TestCase("adm_unet_plain", "adm_unet")]
    [TestCase("adm_classifier", "adm_classifier")]
    [TestCase("dit", "dit")]
    [TestCase("edm_dhariwal", "edm_dhariwal")]
    [TestCase("edm_song", "edm_song")]
    [TestCase("vae_kl", "kl_autoencoder")]
    [TestCase("clip", "clip")]
    [TestCase("resnet_basic", "resnet")]
    public void SmallNetworksAreRecognisedBehindAPrefix(string file, string architecture)
    {
        using var checkpoint = CheckpointFile.Open(ReferenceCase.All.First(c => Path.GetFileName(c.Path) == file + ".safetensors").Path);
        var found = PublishedCheckpoint.Recognise(checkpoint);
        Assert.That(found, Is.Not.Null);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(found!.Architecture, Is.EqualTo(architecture));
            Assert.That(found.Prefix, Is.EqualTo(architecture.StartsWith("edm", StringComparison.Ordinal) ? "weights.model." : "weights."));
        }
    }

    [Test]
    public void AModelThatDoesNotFitNamesTheClosestAndTheFirstFiveDifferences()
    {
        using var kernels = new CpuKernels(1);
        using var model = TinyModel.Create(kernels, TinyModel.Network with { ModelChannels = 32, NormGroups = 32 });
        var entries = WeightFile.Entries(model.Parameters, kernels, "", DType.F32)
            .Where(e => !e.Name.StartsWith("output_blocks.1.0.", StringComparison.Ordinal)).Append(TensorEntry.Of("odd", [2], new float[2]));
        string path = Path.Combine(TestContext.CurrentContext.WorkDirectory, "misfit.safetensors");
        SafetensorsWriter.Write(path, entries);
        Assert.That(() => DiffusionModel.Load(path, kernels), Throws.TypeOf<CheckpointException>().With.Message.Contains("ADM U-Net")
            .And.Message.Contains("'output_blocks.1.0.in_layers.0.weight' [").And.Message.Contains("; and 8 more"));
    }

    [Test]
    public void TensorsOfNothingKnownAreNotGuessedAt()
    {
        string path = Path.Combine(TestContext.CurrentContext.WorkDirectory, "other.safetensors");
        SafetensorsWriter.Write(path, [TensorEntry.Of("odd", [2], new float[2])]);
        using var kernels = new CpuKernels(1);
        Assert.That(() => DiffusionModel.Load(path, kernels), Throws.TypeOf<CheckpointException>().With.Message.Contains("no known architecture (adm_unet"));
    }
}

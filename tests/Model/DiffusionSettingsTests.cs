using System.Text.Json.Nodes;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Runtime.Checkpoints;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model;

public sealed class DiffusionSettingsTests
{
    private static readonly string?[] Values =
        ["null", "-1", "0", "1", "3", "99", "10000000", "2147483647", "-2147483648", "1e300", "-0.5", "\"NaN\"", "\"Infinity\"", "\"\"", "\"linear\"", "[]", "[null]", "[1,2,3,4,5,6,7,8,9]", "{}", "true"];

    private string _folder = "";

    [SetUp]
    public void CreateFolder() => _folder = Directory.CreateTempSubdirectory("nd-settings-").FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [TestCase("timesteps", "10000000", "1 to 100000 timesteps")]
    [TestCase("class_names", "[null]", "Every class has a name")]
    [TestCase("schedule", "99", "There is no schedule 99")]
    [TestCase("data_size", "9", "image size 8")]
    [TestCase("log_snr_max", "\"NaN\"", "Log-SNRs")]
    [TestCase("pixel_offset", "1e300", "pixel_offset")]
    public void AValueOutOfRangeIsNamed(string key, string value, string message)
    {
        using var kernels = new CpuKernels(1);
        string path = Write(kernels, "diffusion", key, value);
        Assert.That(() => DiffusionModel.Load(path, kernels), Throws.TypeOf<CheckpointException>().With.Message.Contains(message).And.Message.Contains(path));
    }

    /// <summary>Whatever settings and configuration say, loading and a step of sampling end or are refused as documented.</summary>
    [Explicit("A thousand models take a minute.")]
    [Category("Faults")]
    [Test]
    public void WhateverAFileSaysIsBounded([Values("diffusion", "config")] string part)
    {
        using var kernels = new CpuKernels(1);
        List<string> wrong = [];
        foreach (string key in Parts(kernels)[part].Select(property => property.Key))
            foreach (string? value in Values)
            {
                string path = Write(kernels, part, key, value!);
                long before = GC.GetAllocatedBytesForCurrentThread();
                try
                {
                    using var model = DiffusionModel.Load(path, kernels);
                    using var sampler = new GuidedSampler(model, new SamplerSettings { Steps = 2 });
                    _ = sampler.Sample([new SampleRequest(-1, new GuidanceScale(1), 0)]);
                }
                catch (Exception e) when (e is CheckpointException or ArgumentException or NotFiniteNumberException)
                {
                }
                catch (Exception e)
                {
                    wrong.Add($"{key} = {value}: {e.GetType().Name}: {e.Message}");
                }
                if (GC.GetAllocatedBytesForCurrentThread() - before > 64 << 20) wrong.Add($"{key} = {value}: {(GC.GetAllocatedBytesForCurrentThread() - before) >> 20} MB");
            }
        Assert.That(wrong, Is.Empty);
    }

    private static Dictionary<string, JsonObject> Parts(IKernels kernels)
    {
        using var model = TinyModel.Create(kernels);
        return new()
        {
            ["diffusion"] = JsonNode.Parse(ModelJson.Write(model.Settings with
            {
                BetaStart = 1e-4, BetaEnd = 0.02, SigmaMin = 0.01, SigmaMax = 80, BetaMin = 0.1, BetaD = 19.9, LeastU = 1e-5, IddpmC1 = 0.001, IddpmC2 = 0.008, NullProbability = 0.1,
                GuidanceScale = 2, GuidedChannels = 1, DataSize = 8,
            }))!.AsObject(),
            ["config"] = JsonNode.Parse(ModelJson.Write(model.Network.Config))!.AsObject(),
        };
    }

    private string Write(IKernels kernels, string part, string key, string value)
    {
        var parts = Parts(kernels);
        parts[part][key] = JsonNode.Parse(value);
        using var model = TinyModel.Create(kernels);
        string path = Path.Combine(_folder, "model.safetensors");
        var metadata = ModelMetadata.Write(model.Network.Config, model.Settings);
        foreach (var (name, json) in parts) metadata[name] = json.ToJsonString();
        SafetensorsWriter.Write(path, WeightFile.Entries(model.Parameters, kernels, "", DType.F32), metadata);
        return path;
    }
}

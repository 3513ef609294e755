using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Model.Training;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model;

/// <summary>Words of the tool's options in what the library says.</summary>
public sealed class OptionWordsTests
{
    [Test]
    public void EveryChoiceHasAWordOfItsOwn()
    {
        Check(OptionWords.Samplers);
        Check(OptionWords.Spacings);
        Check(OptionWords.Variances);
        Assert.That(OptionWords.Of(LossWeighting.UniformX0), Is.EqualTo("uniform-x0"));
        Assert.That(OptionWords.Of(NoiseScheduleKind.VpSde), Is.EqualTo("vp-sde"));

        static void Check<T>((string Name, T Value)[] words)
            where T : struct, Enum
        {
            Assert.That(words.Select(w => w.Value), Is.EquivalentTo(Enum.GetValues<T>()));
            Assert.That(words.Select(w => w.Name), Is.Unique);
            Assert.That(words.Select(w => w.Name), Is.EqualTo(words.Select(w => w.Name.ToLowerInvariant())));
        }
    }

    [Test]
    public void ErrorsOfSamplersSayThem()
    {
        using var kernels = new CpuKernels(1);
        using var model = TinyModel.CreateRandom(kernels);
        void Refuse(SamplerSettings settings, params string[] texts)
        {
            string message = Assert.Throws<ArgumentException>(() => settings.Build(model))?.Message ?? "";
            foreach (string text in texts) Assert.That(message, Does.Contain(text));
            foreach (string name in Enum.GetNames<SpacingKind>().Concat(Enum.GetNames<SamplerKind>()).Where(n => n is not ("Uniform" or "Leading" or "Section"))) Assert.That(message, Does.Not.Contain(name));
        }
        Refuse(new SamplerSettings { Kind = SamplerKind.Ancestral, Spacing = SpacingKind.LogSnrUniform }, "Spacing log-snr", "which ddpm cannot use");
        Refuse(new SamplerSettings { Kind = SamplerKind.Dpm2, Spacing = SpacingKind.DdimN, Steps = 3 }, "Spacing ddim-n");
        Refuse(new SamplerSettings { Kind = SamplerKind.DpmSolver2M, Spacing = SpacingKind.UniformU, StepsOffset = 1 }, "this is uniform-u");
        Refuse(new SamplerSettings { Kind = SamplerKind.Heun, Spacing = SpacingKind.Uniform, Steps = 20 }, "spacing uniform", "heun would step");
    }
}

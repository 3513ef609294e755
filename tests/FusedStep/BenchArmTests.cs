using NativeDiffusion.Bench;
using NativeDiffusion.Bench.Arms;
using FusedArm = NativeDiffusion.Bench.Arms.FusedStep;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Tests.Model;
using NUnit.Framework;

namespace NativeDiffusion.Tests.FusedStep;

/// <summary>The arms that the benchmarks compare compute the same thing.</summary>
internal sealed class BenchArmTests
{
    private static readonly GuidedStepRow[] Rows =
    [
        new() { XFromZ = 0.72f, XFromG = -0.69f, A = 0.31f, B = 0.5f, E = 0.4f },
        new() { XFromZ = 0.72f, XFromG = -0.69f, B = 1, Clip = true, ClipLow = -0.5f, ClipHigh = 0.7f },
    ];

    [Test]
    public void StepsAgree([Values] StepKind kind) => CheckSteps(new StepData(new Shape(1, 5, 7, 3), 3, kind), null);

    [Test]
    public void StepsOfOtherRowsAgree([Range(0, 1)] int row) => CheckSteps(new StepData(new Shape(1, 5, 7, 3), 3), Rows[row]);

    private static void CheckSteps(StepData data, GuidedStepRow? other)
    {
        GuidedStepRow row = other ?? data.Row;
        using var kernels = new CpuKernels(2);
        using var fused = new FusedArm(kernels, data);
        using StepNoise? noise = row.C != 0 || row.LearnedVariance ? new StepNoise(data.Shape) : null;
        var composed = new ComposedStep(data.Z.Length, noise);
        float[] z = [.. data.Z], history = [.. data.History];
        var (newZ, newHistory) = (data.Z, data.History);
        for (int step = 0; step < 3; step++)
        {
            (newZ, newHistory) = AllocatingStep.Run(row, StepData.Scale, data.Conditional, data.Unconditional, newZ, newHistory, noise);
            composed.Run(row, StepData.Scale, data.Conditional, data.Unconditional, z, history);
            fused.Run(row);
        }
        var (fusedZ, fusedHistory) = fused.Download();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(z, Is.EqualTo(newZ).Within(2e-6), "composed and allocating");
            Assert.That(history, Is.EqualTo(newHistory).Within(2e-6), "composed and allocating, history");
            Assert.That(fusedZ, Is.EqualTo(newZ).Within(2e-6), "fused and allocating");
            Assert.That(fusedHistory, Is.EqualTo(newHistory).Within(2e-6), "fused and allocating, history");
            Assert.That(fusedZ, Is.Not.EqualTo(data.Z).Within(0.1), "the step does something");
        }
    }

    [Test]
    public void ComposedStepRefusesTermsThatItLeavesOut() => Assert.That(
        () => ComposedStep.CheckRow(new GuidedStepRow { C = 0.1f }), Throws.ArgumentException.With.Message.Contains("C = 0.1"));

    // The arms of other devices run on any kernels, so they are compared here on the CPU, without clipping, as there.
    [TestCase(1, false)]
    [TestCase(1, true)]
    [TestCase(2, true)]
    public void ArmsOfOtherDevicesAgree(int outChannels, bool doubled)
    {
        const int Steps = 3, Batch = 3;
        using var kernels = new CpuKernels(2);
        UNetConfig network = TinyModel.Network with { OutChannels = outChannels };
        using var model = TinyModel.CreateRandom(kernels, network);
        var table = new SamplerSettings { Kind = SamplerKind.DpmSolver2M, Steps = Steps, Clip = false }.Build(model);
        float[] noise = StepData.Noise(Batch * network.ImageSize * network.ImageSize, 7);
        float[] Run(ISamplerArm arm)
        {
            using (arm)
            {
                // Twice: the second start forgets what the first left.
                for (int start = 0; start < 2; start++)
                {
                    arm.Start(noise);
                    for (int row = 0; row < Steps; row++) arm.Step(row);
                }
                return arm.Download();
            }
        }
        float[] device = Run(new DeviceComposedSampler(model, table, Batch, BenchModels.Scale, doubled));
        using var composed = new ComposedSampler(model, table, Batch, BenchModels.Scale, doubled);
        composed.Start(noise);
        for (int row = 0; row < Steps; row++) composed.Step(row);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(device, Is.EqualTo(composed.Download()).Within(2e-5));
            Assert.That(device[..64], Is.Not.EqualTo(device[64..128]), "samples differ");
        }
    }

    // 70 images of this network are more than one group.
    [TestCase(1, 70)]
    [TestCase(2, 3)]
    public void SamplersAgree(int outChannels, int batch)
    {
        const int Steps = 5;
        using var kernels = new CpuKernels(2);
        UNetConfig network = TinyModel.Network with { OutChannels = outChannels };
        using var model = TinyModel.CreateRandom(kernels, network);
        var table = BenchModels.Table(model, Steps);
        float[] noise = StepData.Noise(batch * network.ImageSize * network.ImageSize, 7);
        float[][] states = [.. Enumerable.Range(0, BenchModels.ArmNames.Length).Select(number =>
        {
            using var arm = BenchModels.Create(number, model, table, batch);
            arm.Start(noise);
            for (int row = 0; row < Steps; row++) arm.Step(row);
            return arm.Download();
        })];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(states[1], Is.EqualTo(states[0]), "the doubled batch gives the bits of two passes");
            Assert.That(states[2], Is.EqualTo(states[0]).Within(2e-5), "fused and composed");
            Assert.That(states[0].Max() - states[0].Min(), Is.GreaterThan(0.5), "the samples are no blank pictures");
            Assert.That(states[0][..64], Is.Not.EqualTo(states[0][64..128]), "samples differ");
        }
    }
}

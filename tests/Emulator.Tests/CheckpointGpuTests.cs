using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Runtime.Checkpoints;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Gpu;

public sealed class CheckpointGpuTests
{
    [Test]
    public void Weights_pass_through_the_window_to_the_device_and_back([Values(DType.F32, DType.F16)] DType type)
    {
        string folder = Directory.CreateTempSubdirectory("nd-device-").FullName;
        try
        {
            string written = Path.Combine(folder, "cpu"), back = Path.Combine(folder, "device");
            // The widest convolution, 64 to 32 channels, takes more than one window.
            var network = new UNetConfig
            {
                ImageSize = 8, InChannels = 1, OutChannels = 1, ModelChannels = 32, NumResBlocks = 1, ChannelMult = [1, 1], AttentionResolutions = [2],
                NumHeads = 2, UseScaleShiftNorm = true, NumClasses = 3,
            };
            using (var cpu = new CpuKernels(1))
            using (var model = new DiffusionModel(network, new DiffusionSettings { ClassNames = ["a", "b"] }, cpu, seed: 3)) model.Save(written, type);
            using (var device = GpuUnderTest.Open("emulator"))
            using (var model = DiffusionModel.Load(written, device)) model.Save(back, type);
            Assert.That(File.ReadAllBytes(back), Is.EqualTo(File.ReadAllBytes(written)));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}

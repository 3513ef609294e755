using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Model.Images;
using NativeDiffusion.Model.Training;
using NativeDiffusion.Pictures;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Training;

/// <summary>Training from a pack, whose images are read while a step is computed.</summary>
public sealed class PackTrainingTests
{
    [Test]
    public void APackTrainsToTheBitsOfTheSameImagesInMemory()
    {
        string folder = Directory.CreateTempSubdirectory("nd-pack-").FullName;
        try
        {
            var data = TinyModel.Data();
            for (int i = 0; i < data.Count; i++) PngWriter.Write(Path.Combine(folder, "data", data.ClassNames[data.Labels.Span[i]], $"{i:000}.png"), data.ToImage(i));
            var list = PictureFolder.Open(Path.Combine(folder, "data"));
            using var pack = PicturePack.Open(list, new PackSettings(), Path.Combine(folder, "packs"));
            var same = list.Load();
            float[] fromMemory = Train(same), fromPack = Train(pack);
            Assert.That(fromPack, Is.EqualTo(fromMemory));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static float[] Train(ITrainingImages images)
    {
        using var kernels = new CpuKernels(2);
        using var model = TinyModel.Create(kernels);
        using var trainer = new Trainer(model, images, new TrainingSettings { BatchSize = 5, Steps = 4, Flip = true, MaxShift = 1, Seed = 3 });
        trainer.Run();
        float[] weights = new float[model.Parameters.Values.Shape.Count];
        kernels.Download(model.Parameters.Values, weights);
        return weights;
    }
}

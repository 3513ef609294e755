using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Model.Networks;

namespace NativeDiffusion.Tests.Model;

/// <summary>The smallest network with every kind of block, and images that it can learn in seconds.</summary>
internal static class TinyModel
{
    public const int Size = 8, Classes = 3;

    public static UNetConfig Network => new()
    {
        ImageSize = Size,
        InChannels = 1,
        OutChannels = 1,
        ModelChannels = 8,
        NormGroups = 4,
        ChannelMult = [1, 2],
        NumResBlocks = 1,
        AttentionResolutions = [2],
        NumHeads = 2,
        NumClasses = Classes + 1,
        UseScaleShiftNorm = true,
        ResblockUpdown = true,
    };

    public static DiffusionSettings Settings => new()
    {
        Schedule = NoiseScheduleKind.Cosine,
        Prediction = PredictionType.V,
        ClassNames = ["top", "left", "full"],
    };

    public static DiffusionModel Create(IKernels kernels, UNetConfig? network = null, DiffusionSettings? settings = null) =>
        new(network ?? Network, settings ?? Settings, kernels, seed: 5);

    /// <summary>A model whose zero-initialised layers are filled too, so that every layer matters.</summary>
    public static DiffusionModel CreateRandom(IKernels kernels, UNetConfig? network = null, DiffusionSettings? settings = null)
    {
        var model = Create(kernels, network, settings);
        FillRandom(model.Parameters, kernels);
        return model;
    }

    /// <summary>Overwrites parameters that start with a constant, and leaves the others.</summary>
    public static void FillRandom(NativeDiffusion.Runtime.Parameters parameters, IKernels kernels)
    {
        foreach (var parameter in parameters.Items)
        {
            float[] values = new float[parameter.Shape.Count];
            Philox.Fill(values, 9, (uint)parameter.Offset, 0, RandomStream.Weights, 0.2);
            if (parameter.Initializer.Distribution == NativeDiffusion.Runtime.InitialDistribution.Constant)
                kernels.Upload(values, parameters.ValueOf(parameter));
        }
        parameters.MarkChanged();
    }

    /// <summary>Bright upper half, bright left half, all bright; some brightness noise.</summary>
    public static ImageDataset Data(int count = 96)
    {
        byte[] pixels = new byte[count * Size * Size];
        int[] labels = [.. Enumerable.Range(0, count).Select(i => i % Classes)];
        var random = new Random(3);
        for (int i = 0; i < pixels.Length; i++)
        {
            int label = labels[i / (Size * Size)], y = i / Size % Size, x = i % Size;
            bool bright = label == 2 || (label == 0 ? y < Size / 2 : x < Size / 2);
            pixels[i] = (byte)((bright ? 215 : 10) + random.Next(30));
        }
        return new ImageDataset(Size, Size, 1, pixels, labels, ["top", "left", "full"]);
    }
}

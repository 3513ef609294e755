using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Metrics.Features;

/// <summary>A convolution without bias, BatchNorm and ReLU.</summary>
/// <param name="Name">What its keys begin with.</param>
/// <param name="From">Input channels.</param>
/// <param name="To">Output channels.</param>
/// <param name="Rows">Of the kernel.</param>
/// <param name="Columns">Of the kernel.</param>
/// <param name="Stride">1 or 2.</param>
/// <param name="Padded">Whether the picture keeps its size (at stride 1) by zeros around it.</param>
internal sealed record InceptionLayer(string Name, int From, int To, int Rows, int Columns, int Stride, bool Padded);

/// <summary>The blocks of Inception v3, under torchvision's names.</summary>
internal static class InceptionLayers
{
    /// <summary>Every convolution, in the order in which they are recorded.</summary>
    public static IReadOnlyList<InceptionLayer> All
    {
        get
        {
            var list = new Walk(null);
            list.Whole(null);
            return list.Layers;
        }
    }

    /// <summary>Records the convolutional part.</summary>
    /// <param name="b">The plan.</param>
    /// <param name="pictures">[N, 299, 299, 3] in [-1, 1].</param>
    /// <returns>[N, 8, 8, 2048], and the 1x1 branch of Mixed_6d, [N, 17, 17, 192].</returns>
    public static (Tensor Mixed, Tensor Spatial) Record(PlanBuilder b, Tensor pictures)
    {
        var walk = new Walk(b);
        var mixed = walk.Whole(pictures)!;
        return (mixed, walk.Spatial!);
    }

    /// <summary>Goes through the network once: with a plan it records, without one it lists.</summary>
    private sealed class Walk(PlanBuilder? b)
    {
        private string _block = "";

        public List<InceptionLayer> Layers { get; } = [];

        public Tensor? Spatial { get; private set; }

        public Tensor? Whole(Tensor? x)
        {
            x = Conv(x, "Conv2d_1a_3x3", 3, 32, 3, 3, 2, padded: false);
            x = Conv(x, "Conv2d_2a_3x3", 32, 32, 3, 3, padded: false);
            x = MaxPool(Conv(x, "Conv2d_2b_3x3", 32, 64, 3, 3), 2, 0);
            x = Conv(x, "Conv2d_3b_1x1", 64, 80, 1, 1);
            x = MaxPool(Conv(x, "Conv2d_4a_3x3", 80, 192, 3, 3, padded: false), 2, 0);
            x = BlockA(x, "Mixed_5b", 192, 32);
            x = BlockA(x, "Mixed_5c", 256, 64);
            x = BlockA(x, "Mixed_5d", 288, 64);
            x = BlockB(x, "Mixed_6a", 288);
            x = BlockC(x, "Mixed_6b", 128);
            x = BlockC(x, "Mixed_6c", 160);
            x = BlockC(x, "Mixed_6d", 160);
            x = BlockC(x, "Mixed_6e", 192);
            x = BlockD(x, "Mixed_7a");
            x = BlockE(x, "Mixed_7b", 1280, MeanPool);
            return BlockE(x, "Mixed_7c", 2048, y => MaxPool(y, 1, 1));
        }

        private Tensor? BlockA(Tensor? x, string name, int from, int pooled)
        {
            _block = name + ".";
            var one = Conv(x, "branch1x1", from, 64, 1, 1);
            var five = Conv(Conv(x, "branch5x5_1", from, 48, 1, 1), "branch5x5_2", 48, 64, 5, 5);
            var three = Conv(Conv(Conv(x, "branch3x3dbl_1", from, 64, 1, 1), "branch3x3dbl_2", 64, 96, 3, 3), "branch3x3dbl_3", 96, 96, 3, 3);
            return Join(one, five, three, Conv(MeanPool(x), "branch_pool", from, pooled, 1, 1));
        }

        private Tensor? BlockB(Tensor? x, string name, int from)
        {
            _block = name + ".";
            var three = Conv(x, "branch3x3", from, 384, 3, 3, 2, padded: false);
            var twice = Conv(Conv(x, "branch3x3dbl_1", from, 64, 1, 1), "branch3x3dbl_2", 64, 96, 3, 3);
            return Join(three, Conv(twice, "branch3x3dbl_3", 96, 96, 3, 3, 2, padded: false), MaxPool(x, 2, 0));
        }

        private Tensor? BlockC(Tensor? x, string name, int width)
        {
            _block = name + ".";
            var one = Conv(x, "branch1x1", 768, 192, 1, 1);
            if (name == "Mixed_6d") Spatial = one;
            var seven = Conv(Conv(Conv(x, "branch7x7_1", 768, width, 1, 1), "branch7x7_2", width, width, 1, 7), "branch7x7_3", width, 192, 7, 1);
            var twice = Conv(Conv(x, "branch7x7dbl_1", 768, width, 1, 1), "branch7x7dbl_2", width, width, 7, 1);
            twice = Conv(Conv(twice, "branch7x7dbl_3", width, width, 1, 7), "branch7x7dbl_4", width, width, 7, 1);
            return Join(one, seven, Conv(twice, "branch7x7dbl_5", width, 192, 1, 7), Conv(MeanPool(x), "branch_pool", 768, 192, 1, 1));
        }

        private Tensor? BlockD(Tensor? x, string name)
        {
            _block = name + ".";
            var three = Conv(Conv(x, "branch3x3_1", 768, 192, 1, 1), "branch3x3_2", 192, 320, 3, 3, 2, padded: false);
            var seven = Conv(Conv(x, "branch7x7x3_1", 768, 192, 1, 1), "branch7x7x3_2", 192, 192, 1, 7);
            seven = Conv(Conv(seven, "branch7x7x3_3", 192, 192, 7, 1), "branch7x7x3_4", 192, 192, 3, 3, 2, padded: false);
            return Join(three, seven, MaxPool(x, 2, 0));
        }

        private Tensor? BlockE(Tensor? x, string name, int from, Func<Tensor?, Tensor?> pool)
        {
            _block = name + ".";
            var one = Conv(x, "branch1x1", from, 320, 1, 1);
            var three = Conv(x, "branch3x3_1", from, 384, 1, 1);
            three = Join(Conv(three, "branch3x3_2a", 384, 384, 1, 3), Conv(three, "branch3x3_2b", 384, 384, 3, 1));
            var twice = Conv(Conv(x, "branch3x3dbl_1", from, 448, 1, 1), "branch3x3dbl_2", 448, 384, 3, 3);
            twice = Join(Conv(twice, "branch3x3dbl_3a", 384, 384, 1, 3), Conv(twice, "branch3x3dbl_3b", 384, 384, 3, 1));
            return Join(one, three, twice, Conv(pool(x), "branch_pool", from, 192, 1, 1));
        }

        private Tensor? Conv(Tensor? x, string name, int from, int to, int rows, int columns, int stride = 1, bool padded = true)
        {
            var layer = new InceptionLayer(_block + name, from, to, rows, columns, stride, padded);
            Layers.Add(layer);
            if (b is null) return null;
            b.Scope = layer.Name;
            return b.Conv2d(x!, b.Parameter(layer.Name + ".weight"), b.Parameter(layer.Name + ".bias"), new Conv2dOptions { Stride = stride, Padding = padded ? null : 0, Relu = true });
        }

        private Tensor? MaxPool(Tensor? x, int stride, int padding) => b?.MaxPool3x3(x!, stride, padding);

        private Tensor? MeanPool(Tensor? x) => b?.Resize(x!, ResampleTable.MeanOfThree(x!.Shape[1]), ResampleTable.MeanOfThree(x.Shape[2]));

        private Tensor? Join(params Tensor?[] parts) => b is null ? null : parts.Aggregate((joined, part) => b.Concat(joined!, part!));
    }
}

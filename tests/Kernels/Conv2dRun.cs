using NativeDiffusion.Kernels;
using NativeDiffusion.Tests.Reference;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Kernels;

/// <summary>One convolution with random operands in guarded memory: all passes, and their comparison with the oracle.</summary>
internal sealed class Conv2dRun : IDisposable
{
    private readonly IKernels _kernels;
    private readonly Random _random;
    private readonly List<GuardedTensor> _tensors = [];
    private readonly Conv2dShape _shape;
    private readonly Conv2dOracle _oracle;
    private readonly Conv2dInput _input;
    private readonly Conv2dEpilogue _epilogue;
    private readonly ActivationGradient _through;
    private readonly GuardedTensor _weight, _packed, _packedGrad, _y, _dy, _du, _dw, _db, _workspace;

    public Conv2dRun(IKernels kernels, Conv2dShape shape, int seed, bool fused)
    {
        (_kernels, _shape, _random) = (kernels, shape, new Random(seed));
        int up = fused && shape.Height % 2 == 0 && shape.Width % 2 == 0 && Flip() ? 2 : 1, c = shape.InChannels;
        int c1 = fused && c > 1 && Flip() ? _random.Next(1, c) : c;
        int groups = Enumerable.Range(1, c).Last(g => c % g == 0 && g <= 8);
        bool norm = fused && Flip();
        int h = shape.Height / up, w = shape.Width / up;
        var x = Tensor(new(shape.Batch, h, w, c1));
        var x2 = c1 < c ? Tensor(new(shape.Batch, h, w, c - c1)) : null;
        var mean = norm ? Tensor(new(shape.Batch, groups)) : null;
        var rstd = norm ? Tensor(new(shape.Batch, groups), 0.5f, 2) : null;
        var gamma = norm && Flip() ? Tensor(new(c)) : null;
        var beta = norm && Flip() ? Tensor(new(c)) : null;
        var scaleShift = norm && Flip() ? Tensor(new(shape.Batch, 2 * c)) : null;
        bool silu = fused && Flip();
        var bias = fused && Flip() ? Tensor(new(shape.OutChannels)) : null;
        var embedding = fused && Flip() ? Tensor(new(shape.Batch, shape.OutChannels)) : null;
        Shape output = new(shape.Batch, shape.OutHeight, shape.OutWidth, shape.OutChannels);
        var residual = fused && Flip() ? Tensor(output) : null;
        var activation = fused ? (Activation)_random.Next(4) : Activation.None;
        const float softplusBeta = 2.5f;
        // Every fourth result is 0, where the derivative of ReLU ends.
        var activated = fused && Flip() ? Tensor(new(shape.Batch, shape.Height, shape.Width, c), -0.5f, 1.5f) : null;
        if (activated is not null)
            foreach (ref float value in activated.View.Span) value = Math.Max(value, 0);
        var through = Flip() ? Activation.Relu : Activation.Softplus;
        _input = new()
        {
            X = x.View,
            X2 = x2?.View ?? default,
            Upsample = up == 2,
            NormMean = mean?.View ?? default,
            NormRstd = rstd?.View ?? default,
            Gamma = gamma?.View ?? default,
            Beta = beta?.View ?? default,
            ScaleShift = scaleShift?.View ?? default,
            Silu = silu,
            Groups = groups,
        };
        _epilogue = new()
        {
            Bias = bias?.View ?? default,
            Embedding = embedding?.View ?? default,
            Residual = residual?.View ?? default,
            Activation = activation,
            Beta = softplusBeta,
        };
        _through = new() { Result = activated?.View ?? default, Activation = through, Beta = softplusBeta };
        _oracle = new()
        {
            Shape = shape,
            X = x.ToArray(),
            X2 = x2?.ToArray(),
            Channels1 = c1,
            Upsample = up == 2,
            Mean = mean?.ToArray(),
            Rstd = rstd?.ToArray(),
            Gamma = gamma?.ToArray(),
            Beta = beta?.ToArray(),
            ScaleShift = scaleShift?.ToArray(),
            Silu = silu,
            Groups = groups,
            Bias = bias?.ToArray(),
            Embedding = embedding?.ToArray(),
            Residual = residual?.ToArray(),
            Activation = activation,
            SoftplusBeta = softplusBeta,
            Activated = activated?.ToArray(),
            Through = through,
        };
        _weight = Tensor(new(shape.OutChannels, shape.KernelHeight, shape.KernelWidth, c));
        _packed = Packed(Conv2dPass.Forward);
        _packedGrad = Packed(Conv2dPass.InputGrad);
        _workspace = Empty(kernels.Conv2dWeightGradWorkspace(shape));
        _y = Poisoned(output);
        _dy = Tensor(output);
        _du = Poisoned(new(shape.Batch, shape.Height, shape.Width, c));
        _dw = Poisoned(_weight.View.Shape);
        _db = Poisoned(new(shape.OutChannels));
    }

    public void RunAll(bool accumulate = false)
    {
        if (_packed != _weight) _kernels.Conv2dPack(_shape, Conv2dPass.Forward, _weight.View, _packed.View);
        if (_packedGrad != _weight) _kernels.Conv2dPack(_shape, Conv2dPass.InputGrad, _weight.View, _packedGrad.View);
        _kernels.Conv2dForward(_shape, _input, _packed.View, _epilogue, _y.View);
        _kernels.Conv2dInputGrad(_shape, _dy.View, _packedGrad.View, _du.View, accumulate, _through);
        _kernels.Conv2dWeightGrad(_shape, _input, _dy.View, _workspace.View, _dw.View, accumulate);
        _kernels.Conv2dBiasGrad(_dy.View, _db.View, accumulate);
    }

    /// <summary>Forward and input gradient by parts of the batch; a plain input only.</summary>
    public void RunRows((int Start, int Count)[] parts)
    {
        _y.View.Span.Fill(float.NaN);
        _du.View.Span.Fill(float.NaN);
        foreach ((int start, int count) in parts)
        {
            var shape = _shape with { Batch = count };
            _kernels.Conv2dForward(shape, _input.X.Rows(start, count), _packed.View, _epilogue, _y.View.Rows(start, count));
            _kernels.Conv2dInputGrad(shape, _dy.View.Rows(start, count), _packedGrad.View, _du.View.Rows(start, count), accumulate: false);
        }
    }

    /// <summary>y, du, dw, db.</summary>
    public float[][] Results() => [_y.ToArray(), _du.ToArray(), _dw.ToArray(), _db.ToArray()];

    public void Check()
    {
        foreach (var tensor in _tensors) tensor.CheckGuards();
        float[] weight = _weight.ToArray(), dy = _dy.ToArray();
        double[] db = new double[_shape.OutChannels];
        for (int i = 0; i < dy.Length; i++) db[i % db.Length] += dy[i];
        double depth = (double)_shape.KernelHeight * _shape.KernelWidth;
        double pixels = (double)_shape.Batch * _shape.OutHeight * _shape.OutWidth;
        bool winograd = _shape is { KernelHeight: 3, KernelWidth: 3, Stride: 1, Padding: 1, EndPadding: 1, WidthPadding: null };
        Compare("y", _oracle.Forward(weight), _y, Bound(depth * _shape.InChannels, winograd));
        Compare("du", _oracle.InputGrad(weight, dy), _du, Bound(depth * _shape.OutChannels, winograd));
        Compare("dw", _oracle.WeightGrad(dy), _dw, Bound(pixels, winograd));
        Compare("db", db, _db, Bound(pixels, winograd: false));
    }

    /// <summary>Largest error over largest value: a few roundings, growing with the root of the sum's length.</summary>
    private static double Bound(double length, bool winograd) => winograd ? 2e-5 : 2e-6 + 1e-7 * Math.Sqrt(length);

    private void Compare(string name, double[] expected, GuardedTensor actual, double bound)
    {
        var values = actual.View.Span;
        double largest = 1e-30, worst = 0;
        int at = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            largest = Math.Max(largest, Math.Abs(expected[i]));
            double error = Math.Abs(values[i] - expected[i]);
            // The negated comparison also catches NaN.
            if (!(error <= worst)) (worst, at) = (error, i);
        }
        Assert.That(worst <= bound * largest, Is.True,
            $"{name} of {_shape}: element {at} is {values[at]:g9}, expected {expected[at]:g9}; error {worst / largest:g3} of the largest, bound {bound:g3}");
    }

    public void Dispose()
    {
        foreach (var tensor in _tensors) tensor.Dispose();
    }

    /// <summary>Shapes that are packed to nothing read the weights themselves.</summary>
    private GuardedTensor Packed(Conv2dPass pass)
    {
        long length = _kernels.Conv2dPackedLength(_shape, pass);
        return length == 0 ? _weight : Empty(length);
    }

    private bool Flip() => _random.Next(2) == 0;

    private GuardedTensor Tensor(Shape shape, float low = -1, float high = 1)
    {
        float[] values = new float[shape.Count];
        for (int i = 0; i < values.Length; i++) values[i] = low + (high - low) * _random.NextSingle();
        return Add(new GuardedTensor(shape, values));
    }

    private GuardedTensor Poisoned(Shape shape) => Add(new GuardedTensor(shape));

    private GuardedTensor Empty(long count) => Add(new GuardedTensor(count));

    private GuardedTensor Add(GuardedTensor tensor)
    {
        _tensors.Add(tensor);
        return tensor;
    }
}

using ILGPU;

namespace NativeDiffusion.Kernels;

// Convolutions are implicit products: the left factor is read from the image as the window would see it, and never stored.
internal sealed partial class GpuKernels
{
    private const string ImplicitGemm = "implicit GEMM";

    // What a convolution's virtual input is written to where it is not a tensor as it lies.
    private const int ConvInputScratch = 0;

    /// <inheritdoc/>
    public long Conv2dPackedLength(in Conv2dShape shape, Conv2dPass pass) => 0;

    /// <inheritdoc/>
    public void Conv2dPack(in Conv2dShape shape, Conv2dPass pass, TensorView weight, TensorView packed) =>
        throw new ArgumentException($"{shape} reads its weights as they are: it has no packed ones.", nameof(shape));

    /// <inheritdoc/>
    public string Conv2dAlgorithm(in Conv2dShape shape, Conv2dPass pass) => ImplicitGemm;

    /// <inheritdoc/>
    public string Conv2dWeightGradAlgorithm(in Conv2dShape shape) => ImplicitGemm;

    /// <inheritdoc/>
    public void Conv2dForward(in Conv2dShape shape, in Conv2dInput input, TensorView packed, in Conv2dEpilogue epilogue, TensorView y)
    {
        int rows = checked(shape.Batch * shape.OutHeight * shape.OutWidth), depth = shape.KernelHeight * shape.KernelWidth * shape.InChannels;
        var window = new WindowRowsOperand<ForwardTaps> { Windows = InputWindows(shape, input) };
        var result = new ConvResult
        {
            Y = View(y),
            Bias = View(epilogue.Bias),
            Embedding = View(epilogue.Embedding),
            Residual = View(epilogue.Residual),
            HasBias = epilogue.Bias.IsEmpty ? 0 : 1,
            HasEmbedding = epilogue.Embedding.IsEmpty ? 0 : 1,
            HasResidual = epilogue.Residual.IsEmpty ? 0 : 1,
            Activation = epilogue.Activation == Activation.Softplus ? 0 : (int)epilogue.Activation,
            Rows = rows,
            Channels = shape.OutChannels,
            Pixels = shape.OutHeight * shape.OutWidth,
            Vectors = InVectors(shape.OutChannels, y, epilogue.Bias, epilogue.Embedding, epilogue.Residual),
        };
        Multiply(window, Rows(packed, shape.OutChannels, depth), result, rows, shape.OutChannels, depth);
        if (epilogue.Activation == Activation.Softplus) SoftplusForward(y, epilogue.Beta, y);
        if (!epilogue.NormMean.IsEmpty) GroupNormStats(y, epilogue.NormMean.Shape.Channels, epilogue.NormEpsilon, epilogue.NormMean, epilogue.NormRstd);
    }

    /// <inheritdoc/>
    public void Conv2dInputGrad(
        in Conv2dShape shape, TensorView dy, TensorView packed, TensorView du, bool accumulate, in ActivationGradient through = default)
    {
        int rows = checked(shape.Batch * shape.Height * shape.Width), depth = shape.KernelHeight * shape.KernelWidth * shape.OutChannels;
        var window = new WindowRowsOperand<GradientTaps>
        {
            Windows = new() { Image = View(dy), Taps = GradientTaps.Of(shape), Pixels = rows, Length = depth, Vectors = InVectors(shape.OutChannels, dy) },
        };
        var weights = new TapsOperand
        {
            Weight = View(packed),
            Inputs = shape.InChannels,
            Outputs = new Divisor(shape.OutChannels),
            Taps = shape.KernelHeight * shape.KernelWidth,
            Depth = depth,
            Vectors = InVectors(shape.InChannels, packed),
        };
        Multiply(window, weights, Matrix(du, rows, shape.InChannels, default, accumulate), rows, shape.InChannels, depth);
        if (through.Result.IsEmpty) return;
        if (through.Activation == Activation.Relu) ReluBackward(through.Result, du, du, accumulate: false);
        else SoftplusBackward(through.Result, through.Beta, du, du, accumulate: false);
    }

    /// <inheritdoc/>
    public long Conv2dWeightGradWorkspace(in Conv2dShape shape)
    {
        var (rows, columns, depth) = WeightGradExtents(shape);
        int slices = Slices(rows, columns, depth);
        return slices == 1 ? 0 : (long)slices * rows * columns;
    }

    /// <inheritdoc/>
    public void Conv2dWeightGrad(in Conv2dShape shape, in Conv2dInput input, TensorView dy, TensorView workspace, TensorView dw, bool accumulate)
    {
        var (rows, columns, depth) = WeightGradExtents(shape);
        var window = new WindowColumnsOperand { Windows = InputWindows(shape, input) };
        int slices = Slices(rows, columns, depth);
        if (slices == 1)
        {
            Multiply(Columns(dy, rows, depth), window, Matrix(dw, rows, columns, default, accumulate), rows, columns, depth);
            return;
        }
        var partial = new SlicesResult { Values = View(workspace), Rows = rows, Columns = columns, Vectors = InVectors(columns, workspace) };
        Multiply(Columns(dy, rows, depth), window, partial, rows, columns, depth, slices);
        LaunchEach(new AddSlicesKernel { Slices = View(workspace), Y = View(dw), Count = slices, Accumulate = accumulate ? 1 : 0 }, dw.Count);
    }

    /// <inheritdoc/>
    public void Conv2dBiasGrad(TensorView dy, TensorView db, bool accumulate) => SumRows(dy, db, accumulate);

    private static (int Rows, int Columns, int Depth) WeightGradExtents(in Conv2dShape shape) =>
        (shape.OutChannels, shape.KernelHeight * shape.KernelWidth * shape.InChannels, checked(shape.Batch * shape.OutHeight * shape.OutWidth));

    /// <summary>The windows of the virtual input, which is a tensor: the source itself where nothing is done to it.</summary>
    private ConvWindows<ForwardTaps> InputWindows(in Conv2dShape shape, in Conv2dInput input)
    {
        bool normalise = !input.NormMean.IsEmpty;
        var windows = new ConvWindows<ForwardTaps>
        {
            Taps = ForwardTaps.Of(shape),
            Pixels = checked(shape.Batch * shape.OutHeight * shape.OutWidth),
            Length = shape.KernelHeight * shape.KernelWidth * shape.InChannels,
        };
        if (input.X2.IsEmpty && !input.Upsample && !normalise && !input.Silu)
            return windows with { Image = View(input.X), Vectors = InVectors(shape.InChannels, input.X) };
        var u = Scratch(ConvInputScratch, (long)shape.Batch * shape.Height * shape.Width * shape.InChannels);
        LaunchEach(new ConvInputKernel
        {
            X = View(input.X),
            X2 = View(input.X2),
            Mean = View(input.NormMean),
            Rstd = View(input.NormRstd),
            Gamma = View(input.Gamma),
            Beta = View(input.Beta),
            ScaleShift = View(input.ScaleShift),
            U = u,
            Height = shape.Height,
            Width = shape.Width,
            Channels = shape.InChannels,
            Channels1 = input.X2.IsEmpty ? shape.InChannels : input.X.Shape.Channels,
            Shift = input.Upsample ? 1 : 0,
            Groups = normalise ? input.Groups : 0,
            HasGamma = input.Gamma.IsEmpty ? 0 : 1,
            HasBeta = input.Beta.IsEmpty ? 0 : 1,
            HasScaleShift = input.ScaleShift.IsEmpty ? 0 : 1,
            Silu = input.Silu ? 1 : 0,
        }, u.Length);
        return windows with { Image = u, Vectors = InVectors(shape.InChannels) };
    }

    /// <summary>Writes the virtual input of a convolution: see <see cref="Conv2dInput"/>.</summary>
    internal struct ConvInputKernel : IGpuKernel
    {
        public ArrayView<float> X, X2, Mean, Rstd, Gamma, Beta, ScaleShift, U;
        public int Height, Width, Channels, Channels1, Shift, Groups, HasGamma, HasBeta, HasScaleShift, Silu;

        public readonly void Run()
        {
            long i = (long)Grid.IdxX * Group.DimX + Group.IdxX;
            if (i >= U.Length) return;
            int c = (int)(i % Channels);
            long pixel = i / Channels;
            int x = (int)(pixel % Width), y = (int)(pixel / Width % Height), n = (int)(pixel / Width / Height);
            long source = ((long)n * (Height >> Shift) + (y >> Shift)) * (Width >> Shift) + (x >> Shift);
            float u = c < Channels1 ? X[source * Channels1 + c] : X2[source * (Channels - Channels1) + c - Channels1];
            if (Groups != 0)
            {
                int g = n * Groups + c / (Channels / Groups);
                u = (u - Mean[g]) * Rstd[g];
                if (HasGamma != 0) u *= Gamma[c];
                if (HasBeta != 0) u += Beta[c];
                if (HasScaleShift != 0)
                {
                    long row = (long)n * 2 * Channels;
                    u = u * (1 + ScaleShift[row + c]) + ScaleShift[row + Channels + c];
                }
            }
            U[i] = Silu != 0 ? LanesMath.Silu(new LanesScalar(u)).Value : u;
        }
    }

    /// <summary>y = sum of the slices in order, or y += it.</summary>
    internal struct AddSlicesKernel : IGpuKernel
    {
        public ArrayView<float> Slices, Y;
        public int Count, Accumulate;

        public readonly void Run()
        {
            long i = (long)Grid.IdxX * Group.DimX + Group.IdxX;
            if (i >= Y.Length) return;
            float sum = Slices[i];
            for (int slice = 1; slice < Count; slice++) sum += Slices[slice * Y.Length + i];
            Y[i] = Accumulate != 0 ? Y[i] + sum : sum;
        }
    }
}
